//! Two gateways on one PostgreSQL: how soon a change at one is in force at the other, and what changes cost traffic.

use std::collections::HashSet;
use std::fs;
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
use portcullis::store::{Change, Kind, PostgresStore, Store};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::copying::copy;
use crate::deaf::DeafProxy;
use crate::postgres::{PASSWORD, PostgresProcess};
use crate::processors::leave_the_first;
use crate::rest;
use crate::running::{ADMINISTRATOR, Applications, Caller, Cores, ISSUER, Running, Starting};
use crate::signer::{Signer, claims};
use crate::traffic::{Traffic, TrafficPlan};
use crate::{DEVELOPER, PORTAL, changes, line, lists, records, tell, write};

/// Clients of the traffic, whose applications nobody changes.
const CLIENTS: u32 = 64;

/// A copy of a million applications on a busy machine.
const COPYING: Duration = Duration::from_mins(20);

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
    /// Those whose names tell their numbers.
    pub(crate) applications: u32,
    /// All that the SQLite store has.
    pub(crate) count: u32,
    /// MiB of a gateway with them from a file.
    pub(crate) of_files: u64,
}

/// A store with clients whose applications come last.
struct Filled {
    store: Arc<PostgresStore>,
    tokens: Vec<String>,
    applications: HashSet<Uuid>,
}

impl Fleet<'_> {
    pub(crate) async fn measure(&self, size: Size, rounds: u32) {
        let mut server = PostgresProcess::start();
        let url = server.database("fleet");
        let Filled { store, tokens, applications } = self.fill(&server, &url).await;
        let lines = lines(&url);
        let mut count = self.count + CLIENTS;
        self.alone(&mut server, &lines, (count, rounds)).await;
        count += rounds;
        let (rounds, plan) = match size {
            Size::Measured => (50, TrafficPlan::measured()),
            Size::Tried => (2, TrafficPlan::tried()),
        };
        self.both(&url, (count, rounds)).await;
        count += rounds * 2;

        leave_the_first();
        server.kill();
        server.run();
        let following = Starting { count, ..self.starting("one", Applications::Postgres(&lines)) };
        let following = Starting { cores: Cores::First, ..following }.start().await;
        let apart = Starting { count: CLIENTS, cores: Cores::First, ..self.apart() }.start().await;
        let plan = &plan;
        let gateways = (following, apart);
        let (following, apart) = (&gateways.0, &gateways.1);
        Traffic { following, apart, store, tokens, applications, plan }.measure().await;
        drop((gateways, server));
        self.rest(plan).await;
    }

    /// The gateway with SQLite, whose clients are the first applications.
    async fn rest(&self, plan: &TrafficPlan) {
        let folder = self.folder.to_owned();
        let (applications, cores) = (Applications::Sqlite, Cores::First);
        let (keys, backend, count) = (self.keys, self.backend, self.count);
        let starting = Starting { folder, applications, keys, backend, count, cores };
        let gateway = starting.start().await;
        let clients = CLIENTS.min(self.applications / 2);
        let tokens = (0..clients).map(|number| self.token(&format!("consumer-{number:07}")));
        let tokens: Vec<_> = tokens.collect();
        rest::measure(&gateway, &tokens, clients as usize, plan).await;
    }

    /// One gateway: its start, lists and changes, and its start while the server is down.
    async fn alone(&self, server: &mut PostgresProcess, lines: &str, (count, rounds): (u32, u32)) {
        let began = Instant::now();
        let one = self.gateway("one", lines, count).await;
        println!("from PostgreSQL, without a copy: ready after {:.1} s", one.ready_after);
        let memory = one.resident() as f64;
        println!("memory: {memory} MiB, {:.2} of that from a file", memory / self.of_files as f64);
        self.copied("one").await;
        println!("the copy in state_dir: complete after {:.0} s", began.elapsed().as_secs_f64());
        for user in [ADMINISTRATOR, DEVELOPER] {
            lists(&mut one.caller(user).await, self.applications, rounds).await;
        }
        changes(&mut one.caller(DEVELOPER).await, "newer", rounds).await;
        // the copy follows within a second
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(one);
        server.kill();
        let one = self.gateway("one", lines, count + rounds).await;
        println!("from the copy, without PostgreSQL: ready after {:.1} s", one.ready_after);
        println!("memory: {} MiB", one.resident());
        server.run();
    }

    /// Two gateways: a change at one is in force at the other.
    async fn both(&self, url: &str, (count, rounds): (u32, u32)) {
        let one = self.gateway("one", &lines(url), count).await;
        let other = self.gateway("other", &lines(url), count).await;
        self.copied("other").await;
        let times = self.elsewhere(&one, &other, ("told", rounds)).await;
        tell("in force on another gateway", times);
        drop(other);

        let port = url.split(':').next_back().and_then(|rest| rest.split('/').next());
        let proxy =
            DeafProxy::start(port.and_then(|text| text.parse().ok()).expect("a port")).await;
        let way = url.replace(port.expect("a port"), &proxy.port.to_string());
        let deaf = self.gateway("other", &lines(&way), count + rounds).await;
        let times = self.elsewhere(&one, &deaf, ("deaf", rounds)).await;
        tell("in force on another gateway, with every notification dropped", times);
        println!("notifications dropped: {}", proxy.dropped.load(Ordering::Relaxed));
        assert_ne!(proxy.dropped.load(Ordering::Relaxed), 0, "there was one to drop");
    }

    async fn fill(&self, server: &PostgresProcess, url: &str) -> Filled {
        let settings = PostgresServer {
            url: url.to_owned(),
            password: Some(Secret::new(PASSWORD.to_owned())),
            ca: None,
            tls: PostgresTls::Off,
        };
        let store = Arc::new(PostgresStore::new(&settings, None).expect("a store"));
        // makes the tables
        store.head().await.expect("a server");
        let filling = Instant::now();
        copy(&self.folder.join("state/portcullis.db"), server, "fleet");
        println!("copied into PostgreSQL in {:.0} s", filling.elapsed().as_secs_f64());
        let counted = store.recount().await.expect("rows");
        assert_eq!(counted, store.checksum().await.expect("a checksum"), "the same state");
        let last = self.applications..self.applications + CLIENTS;
        let own: Vec<_> = last.clone().flat_map(records).collect();
        let applications = own.iter().filter(|own| own.kind == Kind::Application);
        let applications = applications.map(|own| own.id).collect();
        write(&*store, own.into_iter().map(Change::Create).collect()).await;
        let tokens = last.map(|number| self.token(&format!("consumer-{number:07}")));
        Filled { store, tokens: tokens.collect(), applications }
    }

    /// Waits until a gateway has a complete copy of the store.
    async fn copied(&self, name: &str) {
        let path = self.folder.join(name).join("state/portcullis-replica.db");
        let began = Instant::now();
        loop {
            let found = rusqlite::Connection::open(&path).ok().and_then(|copy| {
                copy.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).ok()
            });
            if found == Some(1) {
                return;
            }
            assert!(began.elapsed() < COPYING, "there is never a copy");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn token(&self, client: &str) -> String {
        self.signer.sign(&claims(ISSUER, client, "any"))
    }

    async fn gateway(&self, name: &str, store: &str, count: u32) -> Running {
        Starting { count, ..self.starting(name, Applications::Postgres(store)) }.start().await
    }

    fn starting<'s>(&'s self, name: &str, applications: Applications<'s>) -> Starting<'s> {
        let (folder, keys, backend) = (self.folder.join(name), self.keys, self.backend);
        Starting { folder, applications, keys, backend, count: 0, cores: Cores::All }
    }

    /// A gateway without a store, for the clients of the traffic.
    fn apart(&self) -> Starting<'_> {
        let starting = self.starting("apart", Applications::File);
        let lines = (self.applications..self.applications + CLIENTS).map(line);
        let lines: Vec<_> = lines.collect();
        fs::create_dir_all(&starting.folder).expect("a folder");
        fs::write(starting.folder.join("applications.jsonl"), lines.join("\n")).expect("written");
        starting
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

/// The lines of a file for a store.
fn lines(url: &str) -> String {
    format!("[store]\nurl = \"{url}\"\npassword = \"{PASSWORD}\"")
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
