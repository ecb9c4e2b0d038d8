//! What `portcullis demo` starts beside the gateway, so that one command shows the whole walk: a development
//! authorization server, a production and a sandbox backend, and development certificates.
//!
//! For trying out and for nothing else: `run` never starts any of it, the secrets below are public, and every listener
//! is refused an address that is not loopback. The repository's `gateway.toml` names the same ports and clients.
//!
//! The walk through the files: [`loopback`] listens, [`backend`] answers; [`authorization_server`] routes to
//! [`token_endpoint`] (with [`form`]) and [`signing_keys`]; [`certificates`] writes files; [`script`] says what to type.

mod authorization_server;
mod backend;
pub mod certificates;
mod form;
mod loopback;
mod script;
mod settings;
mod signing_keys;
mod token_endpoint;

#[cfg(test)]
mod tests;

pub use script::{CurlLine, curl_lines};
pub use settings::AUTHORIZATION_SERVER;

use std::io;
use std::sync::Arc;

use crate::demo::authorization_server::DemoServer;
use crate::demo::backend::DemoBackend;
use crate::demo::loopback::RunningServer;
use crate::demo::settings::{PRODUCTION_BACKEND, SANDBOX_BACKEND, clients};
use crate::model::clock::Clock;

/// Opens the three listeners on their fixed ports, on the current tokio runtime.
pub async fn start(clock: Arc<dyn Clock>) -> io::Result<Demo> {
    Ok(Demo {
        authorization_server: DemoServer::start(AUTHORIZATION_SERVER, clients(), clock).await?,
        production: DemoBackend::start(PRODUCTION_BACKEND, "production").await?,
        sandbox: DemoBackend::start(SANDBOX_BACKEND, "sandbox").await?,
    })
}

/// The embedded servers, listening. Dropping it closes them at once.
#[derive(Debug)]
pub struct Demo {
    authorization_server: RunningServer,
    production: RunningServer,
    sandbox: RunningServer,
}

impl Demo {
    /// Stops listening and closes what is open. Call it after the gateway has drained: its last requests end here.
    pub async fn shutdown(self) {
        self.authorization_server.shutdown().await;
        self.production.shutdown().await;
        self.sandbox.shutdown().await;
    }
}
