//! Spans as OTLP in JSON (OpenTelemetry protocol 1.x, `ExportTraceServiceRequest`).
//!
//! Ids are hexadecimal and 64-bit numbers are strings, as the protocol's JSON mapping wants it.
//! Names of attributes are OpenTelemetry's semantic conventions of HTTP; those of the gateway
//! itself begin with `portcullis.`.

use std::time::Duration;

use http::{Method, Version};
use serde::Serialize;

use super::context::{SpanId, TraceId};
use super::span::{ChildSpan, ClientSpan, ExchangeSpans, ServerSpan};
use crate::model::reason::Reason;

/// The gateway as its spans name it.
#[derive(Debug, Clone)]
pub struct TraceResource {
    /// The id of one process among all.
    pub instance: String,
    pub host: String,
}

const NAME: &str = "portcullis";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Kinds of spans.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// The status of a span that failed.
const ERROR: u8 = 2;

/// The flags of a trace that is sampled (bit 0), of a parent whose process is known (bit 8), and is
/// another one (bit 9).
const SAMPLED: u32 = 1;
const LOCAL_PARENT: u32 = 0x100;
const REMOTE_PARENT: u32 = 0x300;

/// Methods that the conventions know; all others are `_OTHER`.
const KNOWN_METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];

/// Writes a request to the collector.
pub fn encode_spans(
    resource: &TraceResource,
    exchanges: &[ExchangeSpans],
) -> serde_json::Result<Vec<u8>> {
    let resource = Attributes::default()
        .text("service.name", NAME)
        .text("service.version", VERSION)
        .text("service.instance.id", &resource.instance)
        .text("host.name", &resource.host);
    let spans = exchanges.iter().flat_map(spans).collect();
    let scope = Scope { name: NAME, version: VERSION };
    serde_json::to_vec(&Export {
        resource_spans: [ResourceSpans {
            resource: Resource { attributes: resource },
            scope_spans: [ScopeSpans { scope, spans }],
        }],
    })
}

/// Reads of the collector's answer how many spans it did not accept.
pub fn rejected_spans(answer: &[u8]) -> usize {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let count = answer.pointer("/partialSuccess/rejectedSpans");
    let count = count.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()));
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
}

fn spans(exchange: &ExchangeSpans) -> Vec<Span<'_>> {
    let began = exchange.began.0.saturating_mul(1_000_000);
    let server = &exchange.server;
    let mut spans = vec![server_span(exchange, server, began)];
    spans.extend(exchange.waits.iter().map(|wait| wait_span(exchange, wait, began)));
    spans.extend(exchange.backend.iter().map(|backend| client_span(exchange, backend, began)));
    spans
}

fn server_span<'e>(exchange: &ExchangeSpans, server: &'e ServerSpan, began: u64) -> Span<'e> {
    let mut attributes = method(Attributes::default(), &server.method)
        .text("url.scheme", server.scheme)
        .text("url.path", &server.path)
        .text("network.protocol.name", "http")
        .text("network.protocol.version", protocol(server.protocol))
        .owned("client.address", server.client.to_string())
        .owned("network.peer.address", server.peer.ip().to_string())
        .number("network.peer.port", server.peer.port().into())
        .number("http.request.body.size", server.request_bytes)
        .number("http.response.body.size", server.response_bytes)
        .text("portcullis.request_id", &server.request_id)
        .text("portcullis.reason", server.reason.label());
    attributes = address(attributes, &server.host, server.port);
    if let Some(status) = server.status {
        attributes = attributes.number("http.response.status_code", status.into());
    }
    if let Some(route) = &server.route {
        attributes = attributes.text("http.route", route);
    }
    if let Some((api, version)) = &server.api {
        attributes = attributes.text("portcullis.api", api).text("portcullis.api.version", version);
    }
    if let Some(application) = &server.application {
        attributes = attributes.text("portcullis.application", application);
    }
    if let Some(key_manager) = &server.key_manager {
        attributes = attributes.text("portcullis.key_manager", key_manager);
    }
    if server.failed {
        attributes = error_type(attributes, server);
    }
    let verb = known(&server.method).unwrap_or("HTTP");
    let name = match &server.route {
        Some(route) => format!("{verb} {route}"),
        None => verb.to_owned(),
    };
    Span {
        parent_span_id: exchange.parent,
        flags: flags(exchange, exchange.parent.map_or(LOCAL_PARENT, |_| REMOTE_PARENT)),
        ..Span::new(exchange, server.id, name, SERVER, (began, Duration::ZERO, server.duration))
    }
    .with(attributes, server.failed)
}

/// The reason of the gateway's own failure, or the backend's status.
fn error_type<'e>(attributes: Attributes<'e>, server: &ServerSpan) -> Attributes<'e> {
    match (server.reason, server.status) {
        (Reason::Forwarded, Some(status)) if status >= 500 => {
            attributes.owned("error.type", status.to_string())
        }
        (Reason::Forwarded, _) => attributes.text("error.type", "truncated"),
        (reason, _) => attributes.text("error.type", reason.label()),
    }
}

fn wait_span<'e>(exchange: &ExchangeSpans, wait: &'e ChildSpan, began: u64) -> Span<'e> {
    let mut attributes = Attributes::default();
    if let Some(key_manager) = &wait.key_manager {
        attributes = attributes.text("portcullis.key_manager", key_manager);
    }
    if wait.failed {
        attributes = attributes.text("error.type", "unanswered");
    }
    let times = (began, wait.started, wait.duration);
    Span {
        parent_span_id: Some(exchange.server.id),
        ..Span::new(exchange, wait.id, wait.name.to_owned(), INTERNAL, times)
    }
    .with(attributes, wait.failed)
}

fn client_span<'e>(exchange: &'e ExchangeSpans, backend: &'e ClientSpan, began: u64) -> Span<'e> {
    let server = &exchange.server;
    let mut attributes = method(Attributes::default(), &server.method);
    attributes = address(attributes, &backend.host, backend.port);
    if !backend.url.is_empty() {
        attributes = attributes.text("url.full", &backend.url);
    }
    if backend.again > 0 {
        attributes = attributes.number("http.request.resend_count", backend.again.into());
    }
    // the conventions call every status from 400 on a client's error
    let failed = backend.status.is_none_or(|status| status >= 400);
    match backend.status {
        Some(status) => {
            attributes = attributes.number("http.response.status_code", status.into());
            if failed {
                attributes = attributes.owned("error.type", status.to_string());
            }
        }
        None => attributes = attributes.text("error.type", server.reason.label()),
    }
    let name = known(&server.method).unwrap_or("HTTP").to_owned();
    let times = (began, backend.started, backend.duration);
    Span { parent_span_id: Some(server.id), ..Span::new(exchange, backend.id, name, CLIENT, times) }
        .with(attributes, failed)
}

fn known(method: &Method) -> Option<&'static str> {
    // the names of the constants: their values would be borrowed from the exchange
    const NAMES: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    let position = KNOWN_METHODS.iter().position(|known| known == method)?;
    NAMES.get(position).copied()
}

fn method<'e>(attributes: Attributes<'e>, method: &'e Method) -> Attributes<'e> {
    match known(method) {
        Some(known) => attributes.text("http.request.method", known),
        None => attributes
            .text("http.request.method", "_OTHER")
            .text("http.request.method_original", method.as_str()),
    }
}

/// Names a server, if it is known.
fn address<'e>(attributes: Attributes<'e>, host: &'e str, port: Option<u16>) -> Attributes<'e> {
    if host.is_empty() {
        return attributes;
    }
    let attributes = attributes.text("server.address", host);
    match port {
        Some(port) => attributes.number("server.port", port.into()),
        None => attributes,
    }
}

fn flags(exchange: &ExchangeSpans, parent: u32) -> u32 {
    parent | if exchange.sampled { SAMPLED } else { 0 }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Export<'e> {
    resource_spans: [ResourceSpans<'e>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'e> {
    resource: Resource<'e>,
    scope_spans: [ScopeSpans<'e>; 1],
}

#[derive(Debug, Serialize)]
struct Resource<'e> {
    attributes: Attributes<'e>,
}

#[derive(Debug, Serialize)]
struct ScopeSpans<'e> {
    scope: Scope,
    spans: Vec<Span<'e>>,
}

#[derive(Debug, Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'e> {
    #[serde(serialize_with = "shown")]
    trace_id: TraceId,
    #[serde(rename = "spanId", serialize_with = "shown")]
    id: SpanId,
    #[serde(serialize_with = "shown_parent", skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<SpanId>,
    flags: u32,
    name: String,
    kind: u8,
    #[serde(serialize_with = "as_text")]
    start_time_unix_nano: u64,
    #[serde(serialize_with = "as_text")]
    end_time_unix_nano: u64,
    attributes: Attributes<'e>,
    status: Status,
}

#[derive(Debug, Default, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
}

#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
struct Attributes<'e>(Vec<Attribute<'e>>);

#[derive(Debug, Serialize)]
struct Attribute<'e> {
    key: &'static str,
    value: Value<'e>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Value<'e> {
    #[serde(rename = "stringValue")]
    Text(&'e str),
    #[serde(rename = "stringValue")]
    Owned(String),
    #[serde(rename = "intValue", serialize_with = "as_text")]
    Number(u64),
}

impl<'e> Span<'e> {
    /// `times`: the exchange's beginning in nanoseconds since 1970, then the span's own, and its
    /// duration.
    fn new(
        exchange: &ExchangeSpans,
        id: SpanId,
        name: String,
        kind: u8,
        times: (u64, Duration, Duration),
    ) -> Self {
        let (began, started, duration) = times;
        let start = began.saturating_add(nanoseconds(started));
        Self {
            trace_id: exchange.trace,
            id,
            parent_span_id: None,
            flags: flags(exchange, LOCAL_PARENT),
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: start.saturating_add(nanoseconds(duration)),
            attributes: Attributes::default(),
            status: Status::default(),
        }
    }

    fn with(self, attributes: Attributes<'e>, failed: bool) -> Self {
        let code = failed.then_some(ERROR);
        Self { attributes, status: Status { code }, ..self }
    }
}

impl<'e> Attributes<'e> {
    fn text(mut self, key: &'static str, value: &'e str) -> Self {
        self.0.push(Attribute { key, value: Value::Text(value) });
        self
    }

    fn owned(mut self, key: &'static str, value: String) -> Self {
        self.0.push(Attribute { key, value: Value::Owned(value) });
        self
    }

    fn number(mut self, key: &'static str, value: u64) -> Self {
        self.0.push(Attribute { key, value: Value::Number(value) });
        self
    }
}

/// Nanoseconds since 1970 fit 64 bits until the year 2554.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Writes a 64-bit number as a string: JSON's own numbers lose digits.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference to the field")]
fn as_text<S: serde::Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(itoa::Buffer::new().format(*number))
}

fn shown<I: std::fmt::Display, S: serde::Serializer>(id: &I, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

#[allow(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn shown_parent<S: serde::Serializer>(id: &Option<SpanId>, to: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => to.collect_str(id),
        None => to.serialize_none(),
    }
}
