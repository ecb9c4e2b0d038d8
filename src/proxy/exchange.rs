//! One exchange's facts, collected on the way and written once: metrics and the access log line.
//!
//! Written when the response's body has ended or was dropped, so a client that hangs up is counted and logged like any
//! other. Decides nothing.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request, Uri, Version};

use crate::authenticate::{CallerNames, Principal};
use crate::backend::CompiledTarget;
use crate::forward::body::RequestProgress;
use crate::jwt::Claims;
use crate::key_managers::CompiledKeyManager;
use crate::limiter::concurrency::Permit;
use crate::model::application::KeyType;
use crate::model::reason::Reason;
use crate::proxy::connection::{Connection, InFlight, Transport};
use crate::proxy::request_origin::RequestOrigin;
use crate::proxy::worker::Worker;
use crate::snapshot::local::LocalApi;
use crate::telemetry::refusals::{Remembered, Unsigned};
use crate::telemetry::{AccessRecord, ExchangeEnding, Measured, OperationSeries, UnixMillis};

/// What HTTP/1 logs call an exchange whose client left before an answer.
const CLIENT_CLOSED: u16 = 499;

/// One request with its response, from the first look at it to the last byte.
#[derive(Debug)]
pub struct Exchange {
    walk: Rc<Worker>,
    in_flight: InFlight,
    began: UnixMillis,
    started: Instant,
    series: Arc<OperationSeries>,
    pub method: Method,
    pub version: Version,
    pub uri: Uri,
    /// Only where it differs from the URI's.
    pub normal_path: Option<String>,
    /// `None` until the head was read.
    pub named: Option<Rc<RequestOrigin>>,
    pub client: IpAddr,
    /// `None` until the head was looked at.
    pub request_id: Option<HeaderValue>,
    pub user_agent: Option<HeaderValue>,
    pub key_manager: Option<Arc<CompiledKeyManager>>,
    pub principal: Option<Principal>,
    pub caller: Option<Rc<CallerNames>>,
    pub key_type: Option<KeyType>,
    pub progress: Option<Rc<RequestProgress>>,
    pub backend: Option<Arc<CompiledTarget>>,
    pub backend_time: Option<Duration>,
    /// The operator's word on a refusal.
    pub message: Option<String>,
    /// Of a refused token, for who asks about the refusal.
    pub unsigned: Option<Unsigned>,
    /// The place among the API's requests in flight.
    pub pass: Option<Permit>,
    api: Option<(Rc<LocalApi>, Option<usize>)>,
    outcome: ExchangeOutcome,
    sent: u64,
    /// `None` while it is under way; an exchange that is dropped so was left by its client.
    ending: Option<ExchangeEnding>,
}

#[derive(Debug, Clone, Copy)]
struct ExchangeOutcome {
    status: u16,
    reason: Reason,
}

impl Exchange {
    pub fn begin<B>(
        walk: Rc<Worker>,
        in_flight: InFlight,
        series: Arc<OperationSeries>,
        request: &mut Request<B>,
    ) -> Self {
        walk.counters().request_began();
        let user_agent = request.headers().get(http::header::USER_AGENT).cloned();
        Self {
            client: in_flight.connection().peer().ip(),
            began: UnixMillis(walk.clock().milliseconds()),
            started: Instant::now(),
            series,
            method: request.method().clone(),
            version: request.version(),
            uri: std::mem::take(request.uri_mut()),
            normal_path: None,
            named: None,
            request_id: None,
            user_agent,
            key_manager: None,
            principal: None,
            caller: None,
            key_type: None,
            progress: None,
            backend: None,
            backend_time: None,
            message: None,
            unsigned: None,
            pass: None,
            api: None,
            outcome: ExchangeOutcome { status: CLIENT_CLOSED, reason: Reason::ClientClosed },
            sent: 0,
            ending: None,
            walk,
            in_flight,
        }
    }

    pub fn connection(&self) -> &Connection {
        self.in_flight.connection()
    }

    pub fn connection_handle(&self) -> Rc<Connection> {
        self.in_flight.connection_handle()
    }

    /// The API was found, and perhaps the operation; from here on the exchange counts there.
    pub fn found(&mut self, api: Rc<LocalApi>, position: Option<usize>) {
        let operation = position.and_then(|position| api.operations.get(position));
        self.series = Arc::clone(operation.map_or(&api.unmatched, |operation| &operation.series));
        self.api = Some((api, position));
    }

    pub fn api(&self) -> Option<&LocalApi> {
        self.api.as_ref().map(|(api, _)| &**api)
    }

    /// What a client's next proof should carry.
    pub fn nonce(&self) -> String {
        let snapshot = self.walk.snapshots().load();
        self.walk.cache().proofs().nonce(snapshot.dpop_nonce_key.as_ref(), self.walk.clock().now())
    }

    /// Whether the answer is that of a preflight, which says all about CORS by itself.
    pub fn is_preflight(&self) -> bool {
        self.outcome.reason == Reason::CorsPreflight
    }

    /// The answer's status, and why.
    pub fn answered(&mut self, status: u16, reason: Reason) {
        self.outcome = ExchangeOutcome { status, reason };
    }

    /// Bytes of the response's body went to the client's connection.
    pub fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    pub fn complete(&mut self) {
        self.ending.get_or_insert(ExchangeEnding::Completed);
    }

    /// An end that the exchange's owner knows, with the operator's word on it.
    pub fn end(&mut self, ending: ExchangeEnding, message: Option<&str>) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.message = message.map(str::to_owned);
        }
    }

    /// The backend ended its answer early.
    pub fn truncated(&mut self, message: String) {
        if self.ending.is_none() {
            self.ending = Some(ExchangeEnding::BackendTruncated);
            self.message = Some(message);
            self.walk.counters().response_truncated();
        }
    }

    fn received(&self) -> u64 {
        self.progress.as_ref().map_or(0, |progress| progress.received())
    }

    fn measure(&self, total: Duration) {
        let measured = Measured {
            method: &self.method,
            status: self.outcome.status,
            reason: self.outcome.reason,
            total,
            backend: self.backend_time,
            received_bytes: self.received(),
            sent_bytes: self.sent,
        };
        self.series.record(self.walk.index(), &measured);
    }

    fn log(&self, total: Duration) {
        let api = self.api.as_ref().map(|(api, _)| &api.definition);
        let place = self.api.as_ref().and_then(|(api, position)| Some((api, (*position)?)));
        let operation = place.and_then(|(api, position)| api.definition.operations.get(position));
        let refused = self.outcome.reason != Reason::Forwarded;
        let user_agent =
            self.user_agent.as_ref().map(HeaderValue::as_bytes).map(String::from_utf8_lossy);
        let claims = self.principal.as_ref().map(Principal::claims);
        let request_id =
            self.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        let record = AccessRecord {
            time: self.began,
            request_id,
            denial: refused.then_some(request_id),
            remote: self.connection().peer(),
            client: self.client,
            listener: &self.connection().listener,
            protocol: self.version,
            tls: self.connection().transport == Transport::Tls,
            method: &self.method,
            host: self.named.as_ref().map_or("", |named| &named.host),
            path: self.normal_path.as_deref().unwrap_or_else(|| self.uri.path()),
            api: api.map(|api| api.name.as_str()),
            version: api.map(|api| api.version.as_str()),
            operation: operation.map(|operation| operation.template.as_str()),
            kept_route: place
                .and_then(|(api, position)| Some(&api.operations.get(position)?.logged)),
            application: self.caller.as_ref().map(|caller| &*caller.application),
            owner: self.caller.as_ref().map(|caller| &*caller.owner),
            key_manager: self
                .key_manager
                .as_ref()
                .map(|key_manager| key_manager.definition.name.as_str()),
            key_type: self.key_type,
            issuer: claims.map(Claims::issuer),
            consumer_key: self.principal.as_ref().and_then(Principal::consumer_key),
            key_id: claims.and_then(Claims::key_id),
            token_hash: self.principal.as_ref().map(Principal::token_hash),
            // of a refused one the exchange may know another type of key than the application has
            kept_caller: self.caller.as_ref().filter(|_| !refused).map(|caller| &caller.logged),
            status: self.outcome.status,
            reason: self.outcome.reason,
            message: self.message.as_deref(),
            backend: self.backend.as_ref().map(|target| &*target.label),
            duration: total,
            backend_duration: self.backend_time,
            request_bytes: self.received(),
            response_bytes: self.sent,
            user_agent: user_agent.as_deref(),
            ending: self.ending.unwrap_or(ExchangeEnding::ClientAborted),
        };
        self.walk.access_log().write(&record);
    }
}

impl Exchange {
    /// Remembers a refusal that its client can name.
    fn remember(&mut self) {
        let ExchangeOutcome { status, reason } = self.outcome;
        let Some(id) = self.request_id.as_ref().and_then(|id| id.to_str().ok()) else { return };
        let text = Remembered::text;
        let place = self.api.as_ref().map(|(api, position)| (&api.definition, *position));
        let operation = place
            .and_then(|(api, position)| api.operations.get(position?))
            .map(|operation| text(operation.template.as_str()));
        self.walk.refusals().keep(Remembered {
            id: text(id),
            at: self.walk.cache().moment(),
            time: self.began,
            reason,
            status,
            message: text(self.message.as_deref().unwrap_or_default()),
            method: text(self.method.as_str()),
            host: text(self.named.as_ref().map_or("", |named| &named.host)),
            path: text(self.normal_path.as_deref().unwrap_or_else(|| self.uri.path())),
            client: self.client,
            api: place.map(|(api, _)| text(&format!("{} {}", api.name, api.version))),
            operation,
            key_manager: self
                .key_manager
                .as_ref()
                .map(|known| text(known.definition.name.as_str())),
            application: self.caller.as_ref().map(|caller| text(&caller.application)),
            consumer_key: self.principal.as_ref().and_then(Principal::consumer_key).map(text),
            token: self.unsigned.take(),
        });
    }
}

/// Whether the client was refused, and told an id.
fn is_refusal(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::Forwarded
            | Reason::CorsPreflight
            | Reason::ResourceMetadata
            | Reason::ServerOptions
            | Reason::ClientClosed
    )
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let total = self.started.elapsed();
        if std::thread::panicking() {
            self.outcome = ExchangeOutcome { status: 500, reason: Reason::InternalError };
        }
        self.measure(total);
        self.log(total);
        if is_refusal(self.outcome.reason) {
            self.remember();
        }
        self.walk.counters().request_ended();
    }
}
