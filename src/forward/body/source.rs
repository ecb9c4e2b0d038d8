//! The source of a request's body: the client's connection, within the limits of the API.

use std::rc::Rc;

use hyper::body::Incoming;

use crate::forward::body::open_bodies::OpenBodies;
use crate::forward::body::stall::Stall;
use crate::model::gateway::ByteLimit;
use crate::snapshot::local::LocalApi;

/// The source of a body, with its limits.
#[derive(Debug)]
pub(super) struct BodySource {
    /// `None` if there is no body.
    pub(super) incoming: Option<Incoming>,
    /// `None` once the body has ended.
    pub(super) open: Option<OpenBodies>,
    pub(super) limit: ByteLimit,
    pub(super) stall: Option<Stall>,
    pub(super) peeked: Peeked,
    /// The API, which decides about trailers; there once the request was admitted.
    pub(super) api: Option<Rc<LocalApi>>,
}

/// The first piece of a body, which was read before sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peeked {
    Nothing,
    /// The piece comes first, and is not counted yet.
    Piece,
    /// The body is broken.
    Broken,
}

impl BodySource {
    pub(super) fn empty() -> Self {
        Self {
            incoming: None,
            open: None,
            limit: ByteLimit::None,
            stall: None,
            peeked: Peeked::Nothing,
            api: None,
        }
    }
}
