//! The servers that `portcullis demo` starts beside the gateway: a development authorization
//! server, a production and a sandbox backend, and development certificates.
//!
//! They are for trying out only. `run` never starts them, their secrets are public, and every
//! listener refuses an address that is not loopback. The repository's `gateway.toml` uses the same
//! ports and clients.
//!
//! The files: [`loopback`] listens, [`backend`] answers; [`authorization_server`] routes to
//! [`token_endpoint`] (with [`form`]) and [`signing_keys`]; [`certificates`] writes files;
//! [`script`] is what the command prints; [`settings`] holds ports and clients.

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

pub use script::{CurlLine, curl_lines, portal_lines};
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

/// The embedded servers. Dropping it closes them at once.
#[derive(Debug)]
pub struct Demo {
    authorization_server: RunningServer,
    production: RunningServer,
    sandbox: RunningServer,
}

impl Demo {
    /// Closes the listeners and all connections. Call it after the gateway has drained, because its
    /// last requests end here.
    pub async fn shutdown(self) {
        self.authorization_server.shutdown().await;
        self.production.shutdown().await;
        self.sandbox.shutdown().await;
    }
}
