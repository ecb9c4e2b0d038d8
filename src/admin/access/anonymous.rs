//! A call that needs no credentials, or brings them in its body.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;

use crate::admin::caller::Peer;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;

/// The address of a caller that is not signed in. No page of another site makes the call.
#[derive(Debug, Clone, Copy)]
pub(in crate::admin) struct Anonymous(pub(in crate::admin) IpAddr);

impl FromRequestParts<Arc<Admin>> for Anonymous {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, Refused> {
        admin.access.open(parts)?;
        match parts.extensions.get::<Peer>() {
            Some(Peer(peer)) => Ok(Self(*peer)),
            None => Err(Refused::plain(StatusCode::INTERNAL_SERVER_ERROR, "the call has no peer")),
        }
    }
}
