//! Clients: listeners, TLS, framing, HTTP/2 conformance and floods.

mod floods;
mod framing;
mod h2spec;
pub(crate) mod listeners;
mod removed_listeners;
mod resting;
mod targets;
mod tls;
