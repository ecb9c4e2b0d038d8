//! The fields of a line about an exchange. Borrowed, so that a line costs no memory of its own.
//! Fields without a value are left out, and text that a client chooses freely is cut at a length.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{Method, Version};

use super::line::{Fragment, LogLine, name};
use super::token_hash::TokenHash;
use crate::model::application::KeyType;
use crate::model::reason::Reason;
use crate::telemetry::traces::TraceId;

/// One exchange that has ended. It has no token and no query, and no field for one.
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'a> {
    /// The time at which the request head had arrived.
    pub time: UnixMillis,
    pub request_id: &'a str,
    /// The trace that the exchange belongs to.
    pub trace_id: Option<TraceId>,
    /// The value of the `Portcullis-Denial` header of a refusal.
    pub denial: Option<&'a str>,
    /// The peer of the connection.
    pub remote: SocketAddr,
    pub listener: &'a str,
    pub tls: bool,
    /// The prepared text of the fields from `remote` to here.
    pub kept_connection: Option<&'a Fragment>,
    /// The client that trusted proxies name; the peer itself without any.
    pub client: IpAddr,
    pub protocol: Version,
    pub method: &'a Method,
    pub host: &'a str,
    /// The path, in normal form if it has one. A query is cut off.
    pub path: &'a str,
    pub api: Option<&'a str>,
    pub version: Option<&'a str>,
    pub operation: Option<&'a str>,
    /// The prepared text of the fields from `api` to here.
    pub kept_route: Option<&'a Fragment>,
    pub application: Option<&'a str>,
    pub owner: Option<&'a str>,
    pub key_manager: Option<&'a str>,
    pub key_type: Option<KeyType>,
    pub issuer: Option<&'a str>,
    pub consumer_key: Option<&'a str>,
    /// The token's `kid`.
    pub key_id: Option<&'a str>,
    pub token_hash: Option<TokenHash>,
    /// The prepared text of the fields from `application` to here.
    pub kept_caller: Option<&'a Fragment>,
    pub status: u16,
    pub reason: Reason,
    /// The refusal that was only observed.
    pub observed: Option<&'static str>,
    /// The operator's message on a refusal.
    pub message: Option<&'a str>,
    /// The throttling policy that refused the request, or that let it through although it is
    /// beyond.
    pub policy: Option<&'a str>,
    pub policy_level: Option<&'a str>,
    /// The target that was asked, as `host:port`.
    pub backend: Option<&'a str>,
    pub duration: Duration,
    pub backend_duration: Option<Duration>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub user_agent: Option<&'a str>,
    pub ending: ExchangeEnding,
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnixMillis(pub u64);

/// The end of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeEnding {
    /// The exchange came to its end.
    Completed,
    /// The client left before it.
    ClientAborted,
    /// The backend ended it early, and the client saw that.
    BackendTruncated,
    /// The gateway ended a stream: its token expired, its right was withdrawn, or its time was
    /// over.
    GatewayClosed,
}

impl ExchangeEnding {
    fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ClientAborted => "client_aborted",
            Self::BackendTruncated => "backend_truncated",
            Self::GatewayClosed => "gateway_closed",
        }
    }
}

/// The longest texts, in bytes, that a client or an authorization server chose.
const MAX_PATH_BYTES: usize = 2048;
const MAX_MESSAGE_BYTES: usize = 512;
const MAX_TEXT_BYTES: usize = 256;
const MAX_ID_BYTES: usize = 128;
const MAX_METHOD_BYTES: usize = 32;

impl AccessRecord<'_> {
    /// Writes all fields except the time, which begins the line.
    pub(super) fn write(&self, line: &mut LogLine<'_>) {
        self.write_request(line);
        line.kept(self.kept_route, |line| self.write_route(line));
        line.kept(self.kept_caller, |line| self.write_caller(line));
        line.number(name!("status"), self.status.into());
        line.word(name!("reason"), self.reason.label());
        if let Some(observed) = self.observed {
            line.word(name!("observed"), observed);
        }
        line.cut(name!("message"), self.message.unwrap_or_default(), MAX_MESSAGE_BYTES);
        line.text(name!("policy"), self.policy.unwrap_or_default());
        line.text(name!("policy_level"), self.policy_level.unwrap_or_default());
        line.text(name!("backend"), self.backend.unwrap_or_default());
        line.milliseconds(name!("duration_ms"), self.duration);
        if let Some(duration) = self.backend_duration {
            line.milliseconds(name!("backend_ms"), duration);
        }
        line.number(name!("request_bytes"), self.request_bytes);
        line.number(name!("response_bytes"), self.response_bytes);
        line.cut(name!("user_agent"), self.user_agent.unwrap_or_default(), MAX_TEXT_BYTES);
        line.word(name!("ending"), self.ending.label());
    }

    fn write_request(&self, line: &mut LogLine<'_>) {
        line.cut(name!("request_id"), self.request_id, MAX_ID_BYTES);
        if let Some(trace) = self.trace_id {
            line.hexadecimal(name!("trace_id"), &trace.digits());
        }
        line.cut(name!("denial"), self.denial.unwrap_or_default(), MAX_ID_BYTES);
        line.kept(self.kept_connection, |line| self.write_connection(line));
        line.address(name!("client"), self.client);
        line.word(name!("protocol"), protocol(self.protocol));
        line.cut(name!("method"), self.method.as_str(), MAX_METHOD_BYTES);
        line.cut(name!("host"), self.host, MAX_TEXT_BYTES);
        let query = memchr::memchr2(b'?', b'#', self.path.as_bytes());
        line.cut(
            name!("path"),
            self.path.get(..query.unwrap_or(self.path.len())).unwrap_or_default(),
            MAX_PATH_BYTES,
        );
    }

    fn write_connection(&self, line: &mut LogLine<'_>) {
        line.socket(name!("remote"), self.remote);
        line.text(name!("listener"), self.listener);
        line.flag(name!("tls"), self.tls);
    }

    fn write_route(&self, line: &mut LogLine<'_>) {
        line.text(name!("api"), self.api.unwrap_or_default());
        line.text(name!("version"), self.version.unwrap_or_default());
        line.text(name!("operation"), self.operation.unwrap_or_default());
    }

    fn write_caller(&self, line: &mut LogLine<'_>) {
        line.text(name!("application"), self.application.unwrap_or_default());
        line.text(name!("owner"), self.owner.unwrap_or_default());
        line.text(name!("key_manager"), self.key_manager.unwrap_or_default());
        if let Some(key_type) = self.key_type {
            line.word(name!("key_type"), key_type.label());
        }
        line.cut(name!("issuer"), self.issuer.unwrap_or_default(), MAX_TEXT_BYTES);
        line.cut(name!("consumer_key"), self.consumer_key.unwrap_or_default(), MAX_TEXT_BYTES);
        line.cut(name!("key_id"), self.key_id.unwrap_or_default(), MAX_ID_BYTES);
        if let Some(hash) = self.token_hash {
            line.hash(name!("token_hash"), hash);
        }
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP",
    }
}
