//! Signs callers of the API in.

use std::net::IpAddr;

use http::StatusCode;
use http::request::Parts;

use crate::admin::caller::Caller;
use crate::admin::refused::Refused;

/// The peer of a request, put into its extensions by the management listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// The ways to sign in.
#[derive(Debug, Default)]
pub(super) struct ApiAccess {}

impl ApiAccess {
    pub(super) async fn enter(&self, parts: &Parts) -> Result<Caller, Refused> {
        let _peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        std::future::ready(()).await;
        Err(Refused::plain(StatusCode::SERVICE_UNAVAILABLE, "nobody may sign in"))
    }
}
