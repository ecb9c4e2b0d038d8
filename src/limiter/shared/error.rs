//! Reasons why this gateway counts alone.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::redis_link::LinkError;

/// A failure of the shared counters.
#[derive(Debug, thiserror::Error)]
pub(super) enum CounterError {
    #[error("no server is named")]
    NoServer,
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the server said: {0}")]
    Server(RedisError),
    #[error("the server did not answer in time")]
    Late,
    #[error("the connection was closed")]
    Closed,
    #[error("the cluster has slots without a server")]
    Incomplete,
    #[error("slots of the cluster are being moved")]
    Moving,
    #[error("the server is a replica: a failover is under way")]
    Replica,
    #[error("the sentinels know no primary server of the name {0:?}")]
    UnknownName(String),
    #[error(
        "the server holds counters of version {0:?}, and this build writes version \"1\": use another database, or delete the key portcullis:counters:version when no other gateway uses it"
    )]
    Version(String),
    #[error("the answer to {0} has another shape than Redis 6.2 and Valkey give it")]
    Shape(&'static str),
}

impl From<RedisError> for CounterError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::Replica,
            ErrorKind::Server(ServerErrorKind::ClusterDown) => Self::Incomplete,
            _ if error.is_timeout() => Self::Late,
            _ if error.is_connection_dropped() => Self::Closed,
            _ => Self::Server(error),
        }
    }
}

impl CounterError {
    /// Names the kind of failure: a change of it is worth a line in the log.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::NoServer | Self::Link(_) => "unreachable",
            Self::Server(_) => "refused",
            Self::Late => "late",
            Self::Closed => "lost",
            Self::Incomplete | Self::Moving => "cluster",
            Self::Replica => "replica",
            Self::UnknownName(_) => "sentinel",
            Self::Version(_) => "version",
            Self::Shape(_) => "shape",
        }
    }
}
