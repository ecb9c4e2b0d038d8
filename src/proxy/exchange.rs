//! Collects the facts of one exchange on its way, and writes them once: to metrics and to the
//! access log.
//!
//! They are written when the response's body has ended or was dropped, so that a client that hangs
//! up is counted and logged like any other.

mod arrival;
mod remembering;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request};

use crate::authenticate::{Principal, TokenJudge};
use crate::authorize::AuthorizationError;
use crate::forward::body::RequestProgress;
use crate::jwt::Claims;
use crate::limiter::concurrency::Permit;
use crate::model::clock::Moment;
use crate::model::reason::Reason;
use crate::proxy::connection::{Connection, InFlight, Transport};
use crate::proxy::exchange_facts::{
    BackendFacts, CallerFacts, ExchangeOutcome, HeadFacts, LimitingPolicy, ReceivedRequest,
    is_refusal,
};
use crate::proxy::exchange_spans::{EndedExchange, has_failed};
use crate::proxy::refusal::{Refusal, Why};
use crate::proxy::wait::Wait;
use crate::proxy::worker::Worker;
use crate::snapshot::local::LocalApi;
use crate::snapshot::throttling::CompiledPolicy;
use crate::telemetry::{
    AccessRecord, ExchangeEnding, ExchangeTrace, KeyManagerSeries, Measured, OperationSeries,
    TraceId, UnixMillis,
};
use crate::throttle::levels::{LevelKind, Levels};
use crate::throttle::{Permitted, Throttled};

/// One request with its response. Its facts are grouped by the step that finds them.
#[derive(Debug)]
pub struct Exchange {
    worker: Rc<Worker>,
    in_flight: InFlight,
    began: UnixMillis,
    started: Instant,
    /// Some step waited, so the times of `began` and `started` are out of date.
    has_waited: bool,
    series: Arc<OperationSeries>,
    pub(super) request: ReceivedRequest,
    pub(super) head: HeadFacts,
    pub(super) caller: CallerFacts,
    pub(super) backend: BackendFacts,
    /// The API, and the position of the operation in it.
    api: Option<(Rc<LocalApi>, Option<usize>)>,
    /// Counts among the API's requests in flight until the exchange ends.
    permit: Option<Permit>,
    /// The levels whose limits the request counts against. Its usage is charged to them at the end.
    pub(super) levels: Levels,
    /// The policy that refused.
    limited: Option<LimitingPolicy>,
    outcome: ExchangeOutcome,
    /// The operator's message on a refusal, or on an early end.
    message: Option<String>,
    sent: u64,
    /// `None` while the exchange is in progress. If it is dropped in that state, its client has
    /// left.
    ending: Option<ExchangeEnding>,
}

impl Exchange {
    /// Begins an exchange. Takes the request's URI: the backend gets another one.
    pub fn begin<B>(
        worker: Rc<Worker>,
        in_flight: InFlight,
        series: Arc<OperationSeries>,
        request: &mut Request<B>,
    ) -> Self {
        worker.counters().request_began();
        Self {
            began: UnixMillis(worker.clock().milliseconds()),
            started: Instant::now(),
            has_waited: false,
            series,
            request: ReceivedRequest::take(request),
            head: HeadFacts {
                request_id: None,
                trace: None,
                origin: None,
                client: in_flight.connection().peer().ip(),
                normal_path: None,
            },
            caller: CallerFacts::default(),
            backend: BackendFacts::default(),
            api: None,
            permit: None,
            levels: Levels::default(),
            limited: None,
            outcome: ExchangeOutcome::LEFT,
            message: None,
            sent: 0,
            ending: None,
            worker,
            in_flight,
        }
    }

    pub fn connection(&self) -> &Connection {
        self.in_flight.connection()
    }

    pub fn connection_handle(&self) -> Rc<Connection> {
        self.in_flight.connection_handle()
    }

    /// Counts the exchange where its API, and perhaps its operation, was found.
    pub fn found(&mut self, api: Rc<LocalApi>, position: Option<usize>) {
        let operation = position.and_then(|position| api.operations.get(position));
        self.series = Arc::clone(operation.map_or(&api.unmatched, |operation| &operation.series));
        self.api = Some((api, position));
    }

    pub fn api(&self) -> Option<&LocalApi> {
        self.api.as_ref().map(|(api, _)| &**api)
    }

    /// Notes the caller, and counts the exchange at its operation.
    pub(super) fn permitted(&mut self, permitted: &Permitted) {
        self.found(Rc::clone(permitted.api()), Some(permitted.operation()));
        self.caller.key_type = Some(permitted.key_type());
        self.caller.names = permitted.caller().cloned();
        self.caller.principal = permitted.principal().cloned();
    }

    /// Notes a refusal that is only observed.
    pub(super) fn observed(&mut self, error: Option<AuthorizationError>) {
        if let Some(error) = error {
            self.caller.observed = Some(error);
            self.message = Some(error.to_string());
        }
    }

    /// Notes the message of a refusal for the operator.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.message = refusal.message();
        if let Why::Throttle(Throttled::Limit(exceeded)) = &refusal.why {
            self.limited = Some((exceeded.kind, Arc::clone(&exceeded.policy)));
        }
        if let Some(judge) = refusal.judge() {
            self.caller.judge = Some(judge);
        }
    }

    /// Holds a place among the API's requests in flight until the exchange ends.
    pub(super) fn hold(&mut self, permit: Option<Permit>) {
        self.permit = permit;
    }

    pub fn progress(&self) -> Option<&Rc<RequestProgress>> {
        self.backend.progress.as_ref()
    }

    /// Tells whether the answer is that of a preflight, which has its own CORS headers.
    pub fn is_preflight(&self) -> bool {
        self.outcome.reason == Reason::CorsPreflight
    }

    /// Notes the answer's status and reason.
    pub fn answered(&mut self, status: u16, reason: Reason) {
        self.outcome = ExchangeOutcome { status, reason };
    }

    /// Counts bytes of the response's body that went to the client's connection.
    pub fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    pub fn complete(&mut self) {
        self.ending.get_or_insert(ExchangeEnding::Completed);
    }

    /// Ends the exchange before its time, with the operator's message.
    pub fn end(&mut self, ending: ExchangeEnding, message: Option<&str>) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.message = message.map(str::to_owned);
        }
    }

    /// Ends the exchange because the backend ended its answer early.
    pub fn truncated(&mut self, message: String) {
        if self.ending.is_none() {
            self.ending = Some(ExchangeEnding::BackendTruncated);
            self.message = Some(message);
            self.worker.counters().response_truncated();
        }
    }

    /// Notes a wait for an authorization server, where spans are made.
    pub(super) fn waited(&mut self, wait: Wait, answered: bool) {
        self.has_waited = true;
        if let Some((trace, tracer)) = self.head.trace.as_mut().zip(self.worker.tracer()) {
            trace.waited(|| wait.span(tracer, self.started, answered));
        }
    }

    /// The monotonic time, as coarse as the worker's ticks.
    pub(super) fn moment(&self) -> Moment {
        self.worker.cache().moment()
    }

    fn received(&self) -> u64 {
        self.backend.progress.as_ref().map_or(0, |progress| progress.received())
    }

    fn host(&self) -> &str {
        self.head.origin.as_ref().map_or("", |origin| &origin.host)
    }

    fn path(&self) -> &str {
        self.head.normal_path.as_deref().unwrap_or_else(|| self.request.uri.path())
    }

    /// The key manager of the principal, or else the one that refused the token.
    fn key_manager(&self) -> Option<&str> {
        let name = match &self.caller.principal {
            Some(principal) => &principal.key_manager().definition.name,
            None => self.caller.judge.as_ref()?.name(),
        };
        Some(name.as_str())
    }

    /// Returns the metrics of exchanges that this key manager judged.
    fn judge_series(&self) -> Option<&KeyManagerSeries> {
        match &self.caller.principal {
            Some(principal) => Some(&principal.key_manager().series),
            None => self.caller.judge.as_ref().map(TokenJudge::series),
        }
    }

    /// Charges the bytes of both bodies, and the units that the backend reported.
    fn charge(&self) {
        let bandwidth = self.received().saturating_add(self.sent);
        self.levels.charge(bandwidth, |counters| self.worker.counting_time(counters, None));
    }

    fn measure(&self, total: Duration, exported: Option<TraceId>) {
        let end = self.began.0.saturating_add(u64::try_from(total.as_millis()).unwrap_or_default());
        let measured = Measured {
            method: &self.request.method,
            status: self.outcome.status,
            reason: self.outcome.reason,
            observed: self.caller.observed.map(AuthorizationError::reason),
            total,
            backend: self.backend.time,
            received_bytes: self.received(),
            sent_bytes: self.sent,
            exported: exported.map(|trace| (trace, UnixMillis(end))),
        };
        self.series.record(self.worker.index(), &measured);
        if let Some(judge) = self.judge_series() {
            judge.record(self.worker.index(), self.outcome.reason);
        }
        let Some(caller) = &self.caller.names else { return };
        let (worker, reason) = (self.worker.index(), self.outcome.reason);
        if let Some(registry) = self.worker.applications() {
            caller.series(registry).record(worker, reason);
        }
        if let Some(statistics) = self.worker.statistics() {
            caller.count_call(statistics, &self.series, |calls| {
                calls.record(worker, reason, total);
            });
        }
    }

    /// The policy that refused, or that a request which passed is beyond.
    fn limiting(&self) -> Option<(LevelKind, &Arc<CompiledPolicy>)> {
        let limited = self.limited.as_ref().map(|(kind, policy)| (*kind, policy));
        limited.or_else(|| self.levels.noted())
    }

    fn log(&self, total: Duration) {
        let api = self.api.as_ref().map(|(api, _)| &api.definition);
        let place = self.api.as_ref().and_then(|(api, position)| Some((api, (*position)?)));
        let operation = place.and_then(|(api, position)| api.definition.operations.get(position));
        let refused = self.outcome.reason != Reason::Forwarded;
        let user_agent = self.request.user_agent.as_ref().map(HeaderValue::as_bytes);
        let user_agent = user_agent.map(String::from_utf8_lossy);
        let caller = &self.caller;
        let claims = caller.principal.as_ref().map(Principal::claims);
        let request_id =
            self.head.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        let limited = self.limiting();
        let connection = self.connection();
        let logged = connection.logged();
        let record = AccessRecord {
            time: self.began,
            request_id,
            trace_id: self.head.trace.as_ref().map(|trace| trace.trace),
            denial: refused.then_some(request_id),
            remote: connection.peer(),
            listener: &connection.listener,
            tls: connection.transport == Transport::Tls,
            kept_connection: Some(&logged),
            client: self.head.client,
            protocol: self.request.version,
            method: &self.request.method,
            host: self.host(),
            path: self.path(),
            api: api.map(|api| api.name.as_str()),
            version: api.map(|api| api.version.as_str()),
            operation: operation.map(|operation| operation.template.as_str()),
            kept_route: place
                .and_then(|(api, position)| Some(&api.operations.get(position)?.logged)),
            application: caller.names.as_ref().map(|names| &*names.application),
            owner: caller.names.as_ref().map(|names| &*names.owner),
            key_manager: self.key_manager(),
            key_type: caller.key_type,
            issuer: claims.map(Claims::issuer),
            consumer_key: caller.principal.as_ref().and_then(Principal::consumer_key),
            key_id: claims.and_then(Claims::key_id),
            token_hash: caller.principal.as_ref().map(Principal::token_hash),
            // of a refused one the exchange may know another type of key than the application has
            kept_caller: caller.names.as_ref().filter(|_| !refused).map(|names| &names.logged),
            status: self.outcome.status,
            reason: self.outcome.reason,
            observed: caller.observed.map(|error| error.reason().label()),
            message: self.message.as_deref(),
            policy: limited.map(|(_, policy)| policy.definition.name.as_str()),
            policy_level: limited.map(|(kind, _)| kind.label()),
            backend: self.backend.attempts.target.as_ref().map(|target| &*target.label),
            duration: total,
            backend_duration: self.backend.time,
            request_bytes: self.received(),
            response_bytes: self.sent,
            user_agent: user_agent.as_deref(),
            ending: self.ending.unwrap_or(ExchangeEnding::ClientAborted),
        };
        self.worker.access_log().write(&record);
    }
}

impl Exchange {
    /// Takes the trace out, if the exchange is sampled, failed or was slow, and tells whether it
    /// failed.
    fn exported(&mut self, total: Duration) -> Option<(ExchangeTrace, bool)> {
        let tracer = self.worker.tracer()?;
        let ExchangeOutcome { status, reason } = self.outcome;
        let truncated = self.ending == Some(ExchangeEnding::BackendTruncated);
        let failed = truncated || has_failed(status, reason);
        let trace = self.head.trace.take_if(|trace| tracer.wants(trace, failed, total))?;
        Some((trace, failed))
    }

    /// Makes the spans of the exchange.
    fn trace(&self, trace: ExchangeTrace, failed: bool, total: Duration) {
        let ended = EndedExchange {
            began: self.began,
            started: self.started,
            duration: total,
            connection: self.connection(),
            request: &self.request,
            head: &self.head,
            caller: &self.caller,
            backend: &self.backend,
            api: self.api.as_ref().map(|(api, position)| (&**api, *position)),
            key_manager: self.key_manager(),
            status: self.outcome.status,
            reason: self.outcome.reason,
            failed,
            request_bytes: self.received(),
            response_bytes: self.sent,
        };
        if let Some((spans, tracer)) = ended.spans(trace).zip(self.worker.tracer()) {
            tracer.finish(spans);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let total = self.started.elapsed();
        if std::thread::panicking() {
            self.outcome = ExchangeOutcome { status: 500, reason: Reason::InternalError };
        }
        self.charge();
        self.log(total);
        let exported = self.exported(total);
        self.measure(total, exported.as_ref().map(|(trace, _)| trace.trace));
        if let Some((trace, failed)) = exported {
            self.trace(trace, failed, total);
        }
        if is_refusal(self.outcome.reason) {
            self.remember();
        }
        self.worker.counters().request_ended();
    }
}
