//! Makes the spans of an exchange that ended. Nothing of the query, the token or a header's value
//! goes into them.

use std::time::{Duration, Instant};

use crate::model::reason::Reason;
use crate::proxy::connection::{Connection, Transport};
use crate::proxy::denial;
use crate::proxy::exchange_facts::{
    BackendFacts, CallerFacts, HeadFacts, ReceivedRequest, is_refusal,
};
use crate::snapshot::local::LocalApi;
use crate::telemetry::{ClientSpan, ExchangeSpans, ExchangeTrace, ServerSpan, UnixMillis};

/// The longest strings of a client, in bytes.
const MOST_PATH_BYTES: usize = 2048;
const MOST_TEXT_BYTES: usize = 256;

/// An exchange that ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndedExchange<'e> {
    pub(super) began: UnixMillis,
    pub(super) started: Instant,
    pub(super) duration: Duration,
    pub(super) connection: &'e Connection,
    pub(super) request: &'e ReceivedRequest,
    pub(super) head: &'e HeadFacts,
    pub(super) caller: &'e CallerFacts,
    pub(super) backend: &'e BackendFacts,
    /// The API, and the position of the operation in it.
    pub(super) api: Option<(&'e LocalApi, Option<usize>)>,
    pub(super) key_manager: Option<&'e str>,
    pub(super) status: u16,
    pub(super) reason: Reason,
    pub(super) failed: bool,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
}

impl EndedExchange<'_> {
    /// Makes the spans. Returns `None` if the gateway only passed the client's trace on.
    pub(super) fn spans(self, trace: ExchangeTrace) -> Option<ExchangeSpans> {
        let (id, parent) = (trace.trace, trace.parent());
        let (server, backend, waits) = trace.into_own()?;
        let backend = self.backend.began.map(|began| ClientSpan {
            id: backend,
            started: began.saturating_duration_since(self.started),
            // the client left while the gateway waited
            duration: self.backend.time.unwrap_or_else(|| began.elapsed()),
            target: self.backend.target.as_ref().map(|target| target.label.to_string()),
            status: (self.reason == Reason::Forwarded).then_some(self.status),
        });
        let request_id = self.head.request_id.as_ref().and_then(|id| id.to_str().ok());
        let host = self.head.origin.as_ref().map_or("", |origin| &origin.host);
        let path = self.head.normal_path.as_deref().unwrap_or_else(|| self.request.uri.path());
        let server = ServerSpan {
            id: server,
            duration: self.duration,
            method: self.request.method.clone(),
            tls: self.connection.transport == Transport::Tls,
            protocol: self.request.version,
            host: cut(host, MOST_TEXT_BYTES),
            path: cut(path, MOST_PATH_BYTES),
            route: self.route(),
            status: self.status,
            reason: self.reason,
            failed: self.failed,
            client: self.head.client,
            peer: self.connection.peer(),
            request_id: request_id.unwrap_or_default().to_owned(),
            api: self.api.map(|(api, _)| {
                (api.definition.name.to_string(), api.definition.version.to_string())
            }),
            application: self.caller.names.as_ref().map(|names| names.application.to_string()),
            key_manager: self.key_manager.map(str::to_owned),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
        };
        Some(ExchangeSpans { trace: id, parent, began: self.began, server, waits, backend })
    }

    fn route(&self) -> Option<String> {
        let (api, position) = self.api?;
        let operation = api.definition.operations.get(position?)?;
        Some(format!("{}{}", api.definition.base_path, operation.template.as_str()))
    }
}

/// Tells whether the gateway or the backend failed. gRPC has one status for all answers.
pub(super) fn has_failed(status: u16, reason: Reason) -> bool {
    let hidden = || status == 200 && is_refusal(reason) && denial::status(reason).is_server_error();
    status >= 500 || hidden()
}

fn cut(text: &str, bytes: usize) -> String {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().to_owned()
}
