//! What `portcullis demo` starts beside the gateway, so that one command shows the whole walk: a development
//! authorization server, a production and a sandbox backend, and development certificates.
//!
//! For trying out and for nothing else: `run` never starts any of it, the secrets below are public, and every listener
//! is refused an address that is not loopback. The repository's `gateway.toml` names the same ports and clients.
//!
//! The walk through the files: [`loopback`] listens, [`backend`] answers; [`authorization_server`] routes to
//! [`token_endpoint`] (with [`form`]) and [`signing_keys`]; [`certificates`] writes files; [`script`] says what to type.

pub mod authorization_server;
pub mod backend;
pub mod certificates;
mod form;
pub mod loopback;
pub mod script;
pub mod signing_keys;
pub mod token_endpoint;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::demo::authorization_server::DemoServer;
use crate::demo::backend::DemoBackend;
use crate::demo::loopback::RunningServer;
use crate::demo::token_endpoint::{DemoClient, SigningAlgorithm};
use crate::model::clock::Clock;

/// Where the authorization server listens; `gateway.toml` names it as key manager.
pub const AUTHORIZATION_SERVER: SocketAddr = loopback_port(9448);
/// Where production keys are forwarded to.
pub const PRODUCTION_BACKEND: SocketAddr = loopback_port(9450);
/// Where sandbox keys are forwarded to.
pub const SANDBOX_BACKEND: SocketAddr = loopback_port(9451);

/// The production key of the subscribed application.
pub const PRODUCTION_CLIENT: (&str, &str) = ("demo-app", "demo-secret");
/// The sandbox key of the same application.
pub const SANDBOX_CLIENT: (&str, &str) = ("demo-app-sandbox", "demo-sandbox-secret");
/// The key of an application without a subscription.
pub const UNSUBSCRIBED_CLIENT: (&str, &str) = ("demo-other", "demo-other-secret");

pub const READ_SCOPE: &str = "accounts:read";
pub const WRITE_SCOPE: &str = "accounts:write";

/// The embedded servers, listening. Dropping it closes them at once.
#[derive(Debug)]
pub struct Demo {
    authorization_server: RunningServer,
    production: RunningServer,
    sandbox: RunningServer,
}

/// Opens the three listeners on their fixed ports, on the current tokio runtime.
pub async fn start(clock: Arc<dyn Clock>) -> io::Result<Demo> {
    Ok(Demo {
        authorization_server: DemoServer::start(AUTHORIZATION_SERVER, clients(), clock).await?,
        production: DemoBackend::start(PRODUCTION_BACKEND, "production").await?,
        sandbox: DemoBackend::start(SANDBOX_BACKEND, "sandbox").await?,
    })
}

impl Demo {
    /// Stops listening and closes what is open. Call it after the gateway has drained: its last requests end here.
    pub async fn shutdown(self) {
        self.authorization_server.shutdown().await;
        self.production.shutdown().await;
        self.sandbox.shutdown().await;
    }
}

/// The clients that the authorization server knows. One signs with ES256, so that both kinds of key are seen at work.
pub fn clients() -> Vec<DemoClient> {
    let client = |(id, secret): (&str, &str), algorithm| DemoClient {
        id: id.to_owned(),
        secret: secret.to_owned(),
        scopes: vec![READ_SCOPE.to_owned(), WRITE_SCOPE.to_owned()],
        algorithm,
    };
    vec![
        client(PRODUCTION_CLIENT, SigningAlgorithm::RS256),
        client(SANDBOX_CLIENT, SigningAlgorithm::ES256),
        client(UNSUBSCRIBED_CLIENT, SigningAlgorithm::RS256),
    ]
}

const fn loopback_port(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
