//! What a line says about an exchange. Borrowed, so that a line costs no memory of its own; fields without a value are
//! left out; what a client chooses freely is cut at a length.

#![allow(clippy::ref_option, clippy::ref_option_ref, clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{Method, Version};
use serde::{Serialize, Serializer};

use crate::model::directory::KeyType;
use crate::model::reason::Reason;

/// One exchange, as it ended. Holds no token and no query, and there is no field for one.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AccessRecord<'a> {
    /// When the request head had arrived.
    #[serde(serialize_with = "rfc3339")]
    pub time: UnixMillis,
    #[serde(serialize_with = "cut::<128, _>", skip_serializing_if = "is_blank")]
    pub request_id: &'a str,
    /// What the `Portcullis-Denial` header of a refusal says.
    #[serde(skip_serializing_if = "is_absent")]
    pub denial: Option<&'a str>,
    /// The peer of the connection.
    pub remote: SocketAddr,
    /// The client that trusted proxies name; the peer itself without any.
    pub client: IpAddr,
    pub listener: &'a str,
    #[serde(serialize_with = "protocol")]
    pub protocol: Version,
    pub tls: bool,
    #[serde(serialize_with = "method")]
    pub method: &'a Method,
    #[serde(serialize_with = "cut::<256, _>", skip_serializing_if = "is_blank")]
    pub host: &'a str,
    /// In normal form where there is one. A query is cut off, should there be one.
    #[serde(serialize_with = "path")]
    pub path: &'a str,
    #[serde(skip_serializing_if = "is_absent")]
    pub api: Option<&'a str>,
    #[serde(skip_serializing_if = "is_absent")]
    pub version: Option<&'a str>,
    #[serde(skip_serializing_if = "is_absent")]
    pub operation: Option<&'a str>,
    #[serde(skip_serializing_if = "is_absent")]
    pub application: Option<&'a str>,
    #[serde(skip_serializing_if = "is_absent")]
    pub owner: Option<&'a str>,
    #[serde(skip_serializing_if = "is_absent")]
    pub key_manager: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_type: Option<KeyType>,
    #[serde(serialize_with = "cut_option::<256, _>", skip_serializing_if = "is_absent")]
    pub issuer: Option<&'a str>,
    #[serde(serialize_with = "cut_option::<256, _>", skip_serializing_if = "is_absent")]
    pub consumer_key: Option<&'a str>,
    /// The token's `kid`.
    #[serde(serialize_with = "cut_option::<128, _>", skip_serializing_if = "is_absent")]
    pub key_id: Option<&'a str>,
    #[serde(serialize_with = "token_hash", skip_serializing_if = "Option::is_none")]
    pub token_hash: Option<TokenHash>,
    pub status: u16,
    #[serde(serialize_with = "reason")]
    pub reason: Reason,
    /// The operator's word on a refusal.
    #[serde(serialize_with = "cut_option::<512, _>", skip_serializing_if = "is_absent")]
    pub message: Option<&'a str>,
    /// The target that was asked, as `host:port`.
    #[serde(skip_serializing_if = "is_absent")]
    pub backend: Option<&'a str>,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    #[serde(rename = "backend_ms", serialize_with = "milliseconds_option", skip_serializing_if = "Option::is_none")]
    pub backend_duration: Option<Duration>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    #[serde(serialize_with = "cut_option::<256, _>", skip_serializing_if = "is_absent")]
    pub user_agent: Option<&'a str>,
    pub ending: Ending,
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnixMillis(pub u64);

/// The first bytes of a cryptographic hash of the token: enough to find its other lines, too little to be it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 8]);

/// How far the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// To its end.
    Completed,
    /// The client left before it.
    ClientAborted,
    /// The backend ended it early, and the client saw that.
    BackendTruncated,
    /// The gateway ended a stream: its token expired, its right was withdrawn, or its time was over.
    GatewayClosed,
}

const MAX_PATH_BYTES: usize = 2048;

/// Stands where a text was cut.
const CUT_MARK: char = '\u{2026}';

/// A text and whether something of it is missing.
struct Shortened<'a> {
    text: &'a str,
    was_longer: bool,
}

impl<'a> Shortened<'a> {
    fn new(text: &'a str, bytes: usize) -> Self {
        let kept = text.get(..text.floor_char_boundary(bytes)).unwrap_or(text);
        Self { text: kept, was_longer: kept.len() < text.len() }
    }

    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.was_longer { serializer.collect_str(&format_args!("{}{CUT_MARK}", self.text)) } else { serializer.serialize_str(self.text) }
    }
}

fn cut<const BYTES: usize, S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Shortened::new(text, BYTES).serialize(serializer)
}

fn cut_option<const BYTES: usize, S: Serializer>(text: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    cut::<BYTES, S>(text.unwrap_or_default(), serializer)
}

fn path<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let without_query = text.split(['?', '#']).next().unwrap_or_default();
    cut::<MAX_PATH_BYTES, S>(without_query, serializer)
}

/// Methods are the client's choice too.
fn method<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    cut::<32, S>(method.as_str(), serializer)
}

/// Times outside of what the calendar knows are written as their number.
fn rfc3339<S: Serializer>(time: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    match i64::try_from(time.0).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok()) {
        Some(timestamp) => serializer.collect_str(&format_args!("{timestamp:.3}")),
        None => serializer.serialize_u64(time.0),
    }
}

fn protocol<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{version:?}"))
}

fn reason<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.label())
}

fn token_hash<S: Serializer>(hash: &Option<TokenHash>, serializer: S) -> Result<S::Ok, S::Error> {
    let number = u64::from_be_bytes(hash.map(|hash| hash.0).unwrap_or_default());
    serializer.collect_str(&format_args!("{number:016x}"))
}

/// To the microsecond.
fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let microseconds = Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    serializer.serialize_f64(microseconds.div_duration_f64(Duration::from_millis(1)))
}

fn milliseconds_option<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    milliseconds(&duration.unwrap_or_default(), serializer)
}

fn is_blank(text: &str) -> bool {
    text.is_empty()
}

fn is_absent(text: &Option<&str>) -> bool {
    text.is_none_or(str::is_empty)
}
