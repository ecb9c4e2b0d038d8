//! The end of a body before its end.

use std::time::Duration;

/// The cause of an early end of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The backend ended its connection or the stream, or broke its framing.
    Backend,
    /// Neither side sent a byte for this long.
    Silence(Duration),
    /// The client's body broke off, or the client left.
    Client,
    /// The client's body grew larger than it may.
    TooLarge,
}

/// The body ended early. The reason is in [`RequestProgress`](super::progress::RequestProgress)
/// and in the exchange.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
pub struct BodyBroken;
