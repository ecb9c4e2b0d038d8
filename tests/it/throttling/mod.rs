//! Throttling: every level, what clients are told, and what holds under load, over restarts and over several gateways.

mod answers;
mod explained;
mod fleet;
mod levels;
mod load;
mod metered;
mod overshoot;
mod restart;
mod shared_counters;
mod shared_layouts;

use bytes::Bytes;
use http::{Request, Response};

use crate::support::bank::ISSUER;
use crate::support::client::{Client, Connection, Protocol};
use crate::support::config::{Api, Application, Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::program::Program;
use crate::support::signer::{Signer, claims};

const PATH: &str = "/orders/1.0.0/x";

/// A gateway with one API in front of one backend, and a signer for its tokens.
struct Shop {
    gateway: Gateway,
    backend: Origin,
    signer: Signer,
}

impl Shop {
    /// With changes to the API and the application, and these tables.
    async fn open(
        api: impl FnOnce(Api) -> Api,
        application: impl FnOnce(Application) -> Application,
        tables: &str,
    ) -> Shop {
        let (backend, signer) = (Origin::start(), Signer::new("key-1"));
        let config = config(&backend.url(), &signer, api, application).tables(tables);
        Shop { gateway: config.start().await, backend, signer }
    }

    fn token(&self, client: &str) -> String {
        self.signer.sign(&claims(ISSUER, client, "any"))
    }

    /// A token of the application for this user.
    fn token_of(&self, user: &str) -> String {
        let mut claims = claims(ISSUER, "client", "any");
        claims["sub"] = user.into();
        self.signer.sign(&claims)
    }

    async fn get(&self, path: &str, token: &str) -> Response<Bytes> {
        self.gateway.get(path, Some(token)).await
    }

    /// The statuses of so many requests.
    async fn statuses(&self, count: usize, path: &str, token: Option<&str>) -> Vec<u16> {
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(self.gateway.get(path, token).await.status().as_u16());
        }
        statuses
    }
}

fn config(
    backend: &str,
    signer: &Signer,
    change_api: impl FnOnce(Api) -> Api,
    change_application: impl FnOnce(Application) -> Application,
) -> Config {
    let app = application("app").lines("owner = \"anna\"").key("is", "client");
    Config::new()
        .signed_by("is", ISSUER, signer, "type = \"WSO2-IS-7\"")
        .api(change_api(api("orders:1.0.0").to(backend)))
        .application(change_application(app))
        .application(application("other").key("is", "other-client"))
}

fn same<T>(it: T) -> T {
    it
}

/// The program of the bank, not started yet, whose application may make so many requests an hour.
fn limited_program(backend: &Origin, requests: usize, more: &str) -> Program {
    let policy =
        two("Two", "application").replace("requests = 2", &format!("requests = {requests}"));
    let program = Program::new(&backend.url(), &format!("{more}{policy}"));
    program.edit("owner = \"charlie\"", "owner = \"charlie\"\npolicy = \"Two\"");
    program
}

/// A client of such a program, with a connection of its own.
struct LimitedClient {
    connection: Connection,
    url: String,
    token: String,
}

impl LimitedClient {
    async fn connect(program: &Program) -> LimitedClient {
        let url = format!("http://127.0.0.1:{}/accounts/1.0.0/accounts/42", program.port);
        let client = Client::plain(Protocol::Http1);
        let connection = client.connect(&url.parse().unwrap()).await.unwrap();
        LimitedClient { connection, url, token: program.token() }
    }

    /// Tells whether a request passes, or else is beyond the limit.
    async fn passes(&mut self) -> bool {
        let bearer = format!("Bearer {}", self.token);
        let request = Request::get(&self.url).header("authorization", bearer);
        let answer = self.connection.send(request.body(Bytes::new()).unwrap()).await.unwrap();
        match answer.status().as_u16() {
            200 => true,
            429 => false,
            other => panic!("{other}"),
        }
    }
}

/// A policy of two requests an hour.
fn two(name: &str, level: &str) -> String {
    format!(
        "[[throttling_policies]]\nname = \"{name}\"\nlevel = \"{level}\"\nrequests = 2\nper = \"1h\"\n"
    )
}
