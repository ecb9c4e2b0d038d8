//! An exchange that ended, as its spans tell it. Holds no token, no query and no value of a header.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{Method, Version};

use super::context::{SpanId, TraceId};
use crate::model::reason::Reason;
use crate::telemetry::access_log::UnixMillis;

/// The spans of one exchange.
#[derive(Debug, Clone)]
pub struct ExchangeSpans {
    pub trace: TraceId,
    /// The span of the request's sender.
    pub parent: Option<SpanId>,
    /// The decision at the start. Failures and slow exchanges are exported without it.
    pub sampled: bool,
    pub began: UnixMillis,
    pub server: ServerSpan,
    pub waits: Vec<ChildSpan>,
    pub backend: Option<ClientSpan>,
}

/// The span of the exchange itself.
#[derive(Debug, Clone)]
pub struct ServerSpan {
    pub id: SpanId,
    pub duration: Duration,
    pub method: Method,
    pub scheme: &'static str,
    pub protocol: Version,
    /// Empty if the client names none.
    pub host: String,
    pub port: Option<u16>,
    pub path: String,
    /// The template of the operation with the API's base path.
    pub route: Option<String>,
    /// `None` if the client left before an answer.
    pub status: Option<u16>,
    pub reason: Reason,
    /// Counts as an error: the gateway or the backend failed, or the client got no answer.
    pub failed: bool,
    pub client: IpAddr,
    pub peer: SocketAddr,
    pub request_id: String,
    pub api: Option<(String, String)>,
    pub application: Option<String>,
    pub key_manager: Option<String>,
    pub request_bytes: u64,
    pub response_bytes: u64,
}

/// A wait of the exchange for an authorization server.
#[derive(Debug, Clone)]
pub struct ChildSpan {
    pub id: SpanId,
    pub name: &'static str,
    /// The time since the beginning of the exchange.
    pub started: Duration,
    pub duration: Duration,
    pub key_manager: Option<String>,
    pub failed: bool,
}

/// The wait for the backend's answer, with all attempts.
#[derive(Debug, Clone)]
pub struct ClientSpan {
    pub id: SpanId,
    /// The time since the beginning of the exchange.
    pub started: Duration,
    pub duration: Duration,
    /// The host of the last target; empty if none was asked.
    pub host: String,
    pub port: Option<u16>,
    /// The address that it was asked for, without a query.
    pub url: String,
    /// The number of times that the request was sent again.
    pub again: u32,
    /// `None` if no backend answered.
    pub status: Option<u16>,
}

impl ExchangeSpans {
    /// The number of spans.
    pub fn count(&self) -> usize {
        1_usize.saturating_add(self.waits.len()).saturating_add(usize::from(self.backend.is_some()))
    }
}
