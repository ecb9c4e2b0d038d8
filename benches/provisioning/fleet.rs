//! Two gateways on one PostgreSQL: how soon a change at one is in force at the other, and what changes cost traffic.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use portcullis::model::secret::Secret;
use portcullis::model::store::{PostgresServer, PostgresTls};
use portcullis::store::{Change, Kind, PostgresStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::deaf::DeafProxy;
use crate::postgres::{PASSWORD, PostgresProcess};
use crate::running::{Applications, Caller, ISSUER, Running, Starting};
use crate::signer::{Signer, claims};
use crate::traffic::{Traffic, TrafficPlan};
use crate::{DEVELOPER, PORTAL, fill, records, tell, write};

/// Clients of the traffic, whose applications nobody changes.
const CLIENTS: u32 = 64;

/// A change that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// A try says that it runs, and measures nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Tried,
    Measured,
}

pub(crate) struct Fleet<'f> {
    pub(crate) folder: &'f Path,
    pub(crate) signer: &'f Signer,
    pub(crate) keys: &'f str,
    pub(crate) backend: u16,
    pub(crate) applications: u32,
}

/// A store with clients whose applications come last.
struct Filled {
    store: Arc<PostgresStore>,
    tokens: Vec<String>,
    applications: HashSet<Uuid>,
}

impl Fleet<'_> {
    pub(crate) async fn measure(&self, size: Size) {
        let server = PostgresProcess::start();
        let url = server.database("fleet");
        let Filled { store, tokens, applications } = self.fill(&url).await;
        let (rounds, plan) = match size {
            Size::Measured => (50, TrafficPlan::measured()),
            Size::Tried => (2, TrafficPlan::tried()),
        };
        let lines = |url: &str| format!("[store]\nurl = \"{url}\"\npassword = \"{PASSWORD}\"");
        let count = self.applications + CLIENTS;
        let one = self.gateway("one", &lines(&url), count).await;
        println!("from PostgreSQL, without a copy: ready after {:.1} s", one.ready_after);
        let other = self.gateway("other", &lines(&url), count).await;
        let times = self.elsewhere(&one, &other, ("told", rounds)).await;
        tell("in force on another gateway", times);
        drop(other);

        let port = url.split(':').next_back().and_then(|rest| rest.split('/').next());
        let proxy =
            DeafProxy::start(port.and_then(|text| text.parse().ok()).expect("a port")).await;
        let way = url.replace(port.expect("a port"), &proxy.port.to_string());
        let deaf = self.gateway("deaf", &lines(&way), count + rounds).await;
        let times = self.elsewhere(&one, &deaf, ("deaf", rounds)).await;
        tell("in force on another gateway, with every notification dropped", times);
        println!("notifications dropped: {}", proxy.dropped.load(Ordering::Relaxed));
        assert_ne!(proxy.dropped.load(Ordering::Relaxed), 0, "there was one to drop");
        drop(deaf);

        Traffic { gateway: &one, store, tokens, applications, plan }.measure().await;
    }

    async fn fill(&self, url: &str) -> Filled {
        let server = PostgresServer {
            url: url.to_owned(),
            password: Some(Secret::new(PASSWORD.to_owned())),
            ca: None,
            tls: PostgresTls::Off,
        };
        let store = Arc::new(PostgresStore::new(&server, None).expect("a store"));
        let filling = Instant::now();
        fill(&*store, None, self.applications).await;
        let last = self.applications..self.applications + CLIENTS;
        let own: Vec<_> = last.clone().flat_map(records).collect();
        let applications = own.iter().filter(|own| own.kind == Kind::Application);
        let applications = applications.map(|own| own.id).collect();
        write(&*store, own.into_iter().map(Change::Create).collect()).await;
        println!("written into PostgreSQL in {:.0} s", filling.elapsed().as_secs_f64());
        let tokens = last.map(|number| self.token(&format!("consumer-{number:07}")));
        Filled { store, tokens: tokens.collect(), applications }
    }

    fn token(&self, client: &str) -> String {
        self.signer.sign(&claims(ISSUER, client, "any"))
    }

    async fn gateway(&self, name: &str, store: &str, count: u32) -> Running {
        let folder = self.folder.join(name);
        let applications = Applications::Postgres(store);
        let (keys, backend) = (self.keys, self.backend);
        Starting { folder: &folder, applications, keys, backend, count }.start().await
    }

    /// Subscribes new clients at one gateway, and calls with each at the other until it is let in.
    async fn elsewhere(
        &self,
        one: &Running,
        other: &Running,
        (name, rounds): (&str, u32),
    ) -> Vec<f64> {
        let mut caller: Caller = one.caller(DEVELOPER).await;
        let (_, apis) = caller.timed(&format!("GET {PORTAL}/apis"), &Value::Null).await;
        let mut times = Vec::new();
        for round in 0..rounds {
            let client = format!("{name}-{round}");
            let body = json!({ "name": client, "throttlingPolicy": "Unlimited" });
            let (_, made) = caller.timed(&format!("POST {PORTAL}/applications"), &body).await;
            let application = made["applicationId"].as_str().expect("an id").to_owned();
            let line = format!("POST {PORTAL}/applications/{application}/map-keys");
            let body = json!({ "consumerKey": client, "keyType": "PRODUCTION" });
            caller.timed(&line, &body).await;
            let body = json!({
                "applicationId": application, "apiId": apis["list"][0]["id"],
                "throttlingPolicy": "Unlimited",
            });
            let token = self.token(&client);
            let began = Instant::now();
            caller.timed(&format!("POST {PORTAL}/subscriptions"), &body).await;
            let_in(other.port, &token).await;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times
    }
}

/// Calls until the answer is the backend's.
async fn let_in(port: u16, token: &str) {
    let began = Instant::now();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the gateway listens");
    stream.set_nodelay(true).expect("a stream");
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.expect("a connection");
    #[allow(clippy::disallowed_methods, reason = "ends with its connection")]
    tokio::spawn(connection);
    loop {
        let request = Request::builder().uri("/orders/1.0.0/x").header("host", "localhost");
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.body(Full::new(Bytes::new())).expect("a request");
        sender.ready().await.expect("a connection");
        let answer = sender.send_request(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let _ = answer.into_body().collect().await;
        if status == 200 {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "the client is never let in: {status}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
