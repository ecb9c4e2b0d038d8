//! The source of a request's body: the client's connection, within the limits of the API.

use std::rc::Rc;

use hyper::body::Incoming;

use crate::forward::body::open_bodies::OpenBodies;
use crate::forward::body::stall::Stall;
use crate::model::gateway::ByteLimit;
use crate::snapshot::local::LocalApi;

/// Where a body comes from, within which limits.
#[derive(Debug)]
pub(super) struct BodySource {
    /// `None`: no body.
    pub(super) incoming: Option<Incoming>,
    /// `None` once the body has ended.
    pub(super) open: Option<OpenBodies>,
    pub(super) limit: ByteLimit,
    pub(super) stall: Option<Stall>,
    pub(super) peeked: Peeked,
    /// Whose trailers may not say everything; there once it was admitted.
    pub(super) api: Option<Rc<LocalApi>>,
}

/// What was read of a body before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peeked {
    Nothing,
    /// It is ahead, and was not counted.
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
