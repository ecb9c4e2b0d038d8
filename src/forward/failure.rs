//! The reasons for which a backend gave no answer.

use crate::forward::early_hints;
use crate::forward::framing::FramingFault;
use crate::model::reason::Reason;

/// A request that was admitted and got no response head from a backend.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error("the name {host} has no address")]
    Unresolved {
        host: String,
        #[source]
        source: Option<std::io::Error>,
    },
    #[error(
        "{host} leads to a network that may not be called: the API came by the management API, and \
         `management.allowed_networks` lists exceptions"
    )]
    Denied { host: String },
    #[error("cannot connect to {target}")]
    Refused {
        target: String,
        #[source]
        source: std::io::Error,
    },
    #[error("this machine has no more to connect to {target} with (descriptors, ports or memory)")]
    OwnShortage {
        target: String,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "no new connection to {target}: the descriptors of this process for backends are in use, or kept for other clients"
    )]
    NoShare { target: String },
    #[error("no connection to {target} in time")]
    ConnectTimeout { target: String },
    #[error("TLS with {target} failed")]
    Tls {
        target: String,
        #[source]
        source: std::io::Error,
    },
    #[error("no response head from {target} in time")]
    Timeout { target: String },
    #[error("{target} closed the connection before it answered")]
    Reset {
        target: String,
        #[source]
        source: Option<hyper::Error>,
    },
    #[error(
        "{target} took no further stream within `response_timeout`, and no further connection is opened"
    )]
    NoStream { target: String },
    #[error("{target} did not process the request: it refused the stream, or is going away")]
    Unprocessed {
        target: String,
        #[source]
        source: Option<hyper::Error>,
    },
    #[error(
        "{target} sent more than {} interim answers to one request; its connection is closed",
        early_hints::MOST
    )]
    InterimFlood { target: String },
    #[error("{target} answered what is not HTTP")]
    Protocol {
        target: String,
        #[source]
        source: hyper::Error,
    },
    #[error("the answer of {target} cannot be passed on")]
    Framing {
        target: String,
        #[source]
        source: FramingFault,
    },
    #[error(
        "{target} speaks HTTP/2 only, and takes no extended CONNECT, or what is asked for is no WebSocket"
    )]
    NoUpgrade { target: String },
    #[error("{target} switched protocols without being asked, or not to what was asked")]
    UpgradeRefused { target: String },
    #[error("the request exceeded its time limit")]
    TooLong,
    #[error("the request's body is larger than allowed")]
    BodyTooLarge,
    #[error("the client sent no byte of its body for too long")]
    BodyStalled,
    #[error("the client's body broke off")]
    BodyBroken,
    #[error("the API has no backend for this key")]
    NoBackend,
}

impl ForwardError {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unresolved { .. } => Reason::BackendUnresolved,
            Self::Denied { .. } => Reason::BackendDenied,
            Self::Refused { .. } => Reason::BackendRefused,
            Self::OwnShortage { .. } | Self::NoShare { .. } => Reason::OwnShortage,
            Self::ConnectTimeout { .. } => Reason::BackendConnectTimeout,
            Self::Tls { .. } => Reason::BackendTls,
            Self::Timeout { .. } | Self::NoStream { .. } => Reason::BackendTimeout,
            Self::Reset { .. } | Self::Unprocessed { .. } => Reason::BackendReset,
            Self::Protocol { .. } | Self::Framing { .. } | Self::InterimFlood { .. } => {
                Reason::BackendProtocol
            }
            Self::NoUpgrade { .. } | Self::UpgradeRefused { .. } => Reason::UpgradeRefused,
            Self::TooLong => Reason::RequestTimeout,
            Self::BodyTooLarge => Reason::BodyTooLarge,
            Self::BodyStalled => Reason::BodyStalled,
            Self::BodyBroken => Reason::InvalidRequest,
            Self::NoBackend => Reason::InternalError,
        }
    }

    /// Tells whether the target is to blame, for its ejection.
    pub fn is_the_targets(&self) -> bool {
        (self.before_sending() && !matches!(self, Self::OwnShortage { .. } | Self::NoShare { .. }))
            || matches!(
                self,
                Self::Timeout { .. }
                    | Self::NoStream { .. }
                    | Self::Reset { .. }
                    | Self::Unprocessed { .. }
                    | Self::Protocol { .. }
                    | Self::Framing { .. }
                    | Self::InterimFlood { .. }
            )
    }

    /// Tells whether the backend cannot have received any part of the request, so that another
    /// target may be asked.
    pub fn before_sending(&self) -> bool {
        matches!(
            self,
            Self::Unresolved { .. }
                | Self::Denied { .. }
                | Self::Refused { .. }
                | Self::OwnShortage { .. }
                | Self::NoShare { .. }
                | Self::ConnectTimeout { .. }
                | Self::Tls { .. }
        )
    }
}
