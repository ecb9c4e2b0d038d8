//! Makes the spans of an exchange that ended. Nothing of the query, the token or a header's value
//! goes into them.

use std::time::{Duration, Instant};

use http::Method;

use crate::forward::forwarded::{ClientOrigin, ClientScheme};
use crate::model::reason::Reason;
use crate::proxy::connection::{Connection, Transport};
use crate::proxy::denial;
use crate::proxy::exchange_facts::{
    BackendFacts, CallerFacts, HeadFacts, ReceivedRequest, is_refusal,
};
use crate::route::parse_authority;
use crate::snapshot::local::LocalApi;
use crate::telemetry::{ClientSpan, ExchangeSpans, ExchangeTrace, ServerSpan, UnixMillis};

/// The longest strings of a client, in bytes.
const MOST_PATH_BYTES: usize = 2048;
const MOST_TEXT_BYTES: usize = 256;

/// The longest method: those that somebody has registered are shorter.
const MOST_METHOD_BYTES: usize = 64;

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
        let (id, parent, sampled) = (trace.trace, trace.parent(), trace.is_sampled());
        let (server, backend, waits) = trace.into_own()?;
        let backend = self.backend.began.map(|began| {
            let (host, port, url) = self.target();
            ClientSpan {
                id: backend,
                started: began.saturating_duration_since(self.started),
                // the client left while the gateway waited
                duration: self.backend.time.unwrap_or_else(|| began.elapsed()),
                host,
                port,
                url,
                again: self.backend.attempts.again,
                status: (self.reason == Reason::Forwarded).then_some(self.status),
            }
        });
        let request_id = self.head.request_id.as_ref().and_then(|id| id.to_str().ok());
        let (scheme, host, port) = self.origin();
        let server = ServerSpan {
            id: server,
            duration: self.duration,
            method: cut_method(&self.request.method),
            scheme: scheme.as_str(),
            protocol: self.request.version,
            host,
            port,
            path: cut(self.path(), MOST_PATH_BYTES),
            route: self.route(),
            // no answer was sent to a client that left before it
            status: (self.reason != Reason::ClientClosed).then_some(self.status),
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
        Some(ExchangeSpans {
            trace: id,
            parent,
            sampled,
            began: self.began,
            server,
            waits,
            backend,
        })
    }

    fn path(&self) -> &str {
        self.head.normal_path.as_deref().unwrap_or_else(|| self.request.uri.path())
    }

    /// The scheme, host and port that the client used, as far as trusted proxies tell them.
    fn origin(&self) -> (ClientScheme, String, Option<u16>) {
        let origin = self.head.origin.as_ref().map(|origin| &origin.origin);
        let own = if self.connection.transport == Transport::Tls {
            ClientScheme::Https
        } else {
            ClientScheme::Http
        };
        let scheme = origin.map_or(own, ClientOrigin::scheme);
        let named = origin.and_then(|origin| parse_authority(origin.host()?).ok());
        named.map_or((scheme, String::new(), None), |named| {
            let port = named.port().unwrap_or_else(|| scheme.default_port());
            (scheme, cut(named.host().trim_matches(['[', ']']), MOST_TEXT_BYTES), Some(port))
        })
    }

    /// The host and port of the last target, and the address that it was asked for.
    fn target(&self) -> (String, Option<u16>, String) {
        let Some(target) = &self.backend.attempts.target else { return Default::default() };
        let (label, base) = (&target.label, &target.definition.base_path);
        let below = self.path().get(self.backend.base_length..).unwrap_or_default();
        let root = if base.is_empty() && below.is_empty() { "/" } else { "" };
        let url = cut(&format!("{label}{base}{below}{root}"), MOST_PATH_BYTES);
        // a service's records have ports of their own
        let port = target.definition.service.is_none().then_some(target.definition.port);
        (target.definition.host.clone(), port, url)
    }

    fn route(&self) -> Option<String> {
        let (api, position) = self.api?;
        let operation = api.definition.operations.get(position?)?;
        Some(format!("{}{}", api.definition.base_path, operation.template.as_str()))
    }
}

/// Tells whether the gateway or the backend failed, or the client left before it got an answer.
/// gRPC has one status for all answers.
pub(super) fn has_failed(status: u16, reason: Reason) -> bool {
    let hidden = || status == 200 && is_refusal(reason) && denial::status(reason).is_server_error();
    status >= 500 || reason == Reason::ClientClosed || hidden()
}

/// Cuts an invented method, which can be as long as a head.
fn cut_method(method: &Method) -> Method {
    let front = method.as_str().as_bytes().get(..MOST_METHOD_BYTES);
    front.and_then(|front| Method::from_bytes(front).ok()).unwrap_or_else(|| method.clone())
}

fn cut(text: &str, bytes: usize) -> String {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().to_owned()
}
