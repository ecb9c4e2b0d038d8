//! Ends an answer before its body ends, because its time or its authorization is over.

use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue};

use crate::deadline::Deadline;
use crate::forward::body::Cause;
use crate::proxy::stream::authorization::StreamAuthorization;
use crate::proxy::stream::ended::Ended;

/// The end of an answer that may go on for long.
#[derive(Debug)]
pub struct StreamLimit {
    /// The deadline of the whole exchange.
    pub deadline: Option<Deadline>,
    pub authorization: Option<StreamAuthorization>,
}

/// The reason for which an answer was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    TooLong,
    Ended(Ended),
    /// Its body broke off, on this side.
    Broken(Cause),
}

impl StreamLimit {
    /// Ready when the answer must end.
    pub fn poll(&self, context: &Context<'_>) -> Poll<EndReason> {
        if let Some(Poll::Ready(ended)) =
            self.authorization.as_ref().map(|authorization| authorization.poll_ended(context))
        {
            return Poll::Ready(EndReason::Ended(ended));
        }
        match &self.deadline {
            Some(deadline) => deadline.poll(context).map(|()| EndReason::TooLong),
            None => Poll::Pending,
        }
    }
}

impl EndReason {
    pub fn message(self) -> &'static str {
        match self {
            Self::TooLong => "the request exceeded its time limit",
            Self::Ended(ended) => ended.message(),
            Self::Broken(Cause::Backend) => "the backend ended the stream",
            Self::Broken(Cause::Silence(_)) => "neither side sent anything for too long",
            Self::Broken(Cause::Client) => "the client ended the stream",
            Self::Broken(Cause::TooLarge) => "the request's body is larger than allowed",
        }
    }

    /// The trailers that tell a gRPC client.
    pub fn trailers(self) -> HeaderMap {
        const UNAUTHENTICATED: &str = "16";
        const PERMISSION_DENIED: &str = "7";
        const CANCELLED: &str = "1";
        const DEADLINE_EXCEEDED: &str = "4";
        const RESOURCE_EXHAUSTED: &str = "8";
        const UNAVAILABLE: &str = "14";
        let status = match self {
            Self::TooLong | Self::Broken(Cause::Silence(_)) => DEADLINE_EXCEEDED,
            Self::Broken(Cause::Backend) | Self::Ended(Ended::Unconfirmed | Ended::GoingAway) => {
                UNAVAILABLE
            }
            Self::Broken(Cause::Client) => CANCELLED,
            Self::Broken(Cause::TooLarge) => RESOURCE_EXHAUSTED,
            Self::Ended(
                Ended::TokenExpired | Ended::Revoked | Ended::KeyWithdrawn | Ended::Inactive,
            ) => UNAUTHENTICATED,
            Self::Ended(Ended::Withdrawn) => PERMISSION_DENIED,
        };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        trailers.insert("grpc-message", HeaderValue::from_static(self.message()));
        trailers
    }
}
