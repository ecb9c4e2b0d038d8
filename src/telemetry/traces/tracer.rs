//! A worker's end of the traces: decides on sampling, and keeps exchanges until they are handed
//! over.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::context::{SpanId, TraceContext, TraceId};
use super::counters::{DroppedSpans, TraceCounters};
use super::span::{ChildSpan, ExchangeSpans};

/// The exchanges that a worker keeps before it hands them over: the tick comes ten times a second,
/// and one exchange takes about a kilobyte.
const FULL_BUFFER: usize = 128;

/// Buffers that may wait for the exporter: with [`FULL_BUFFER`] about 8 MiB.
const QUEUED_BUFFERS: usize = 64;

/// Waits of one exchange that become spans of their own.
const MOST_WAITS: usize = 8;

/// The values of a trace's randomness, as OpenTelemetry's consistent probability sampling has it.
const DECIDING_BITS: u64 = 1 << 56;

/// Finished exchanges, on their way to the exporter.
pub type FinishedExchanges = Vec<ExchangeSpans>;

/// The exporter's end of the queue.
pub type SpanReceiver = Receiver<FinishedExchanges>;

/// The parts that every worker's tracer is made of.
#[derive(Clone)]
pub struct TracerParts {
    /// Traces whose randomness lies below it are not sampled.
    threshold: u64,
    slow: Duration,
    queue: Sender<FinishedExchanges>,
    counters: Arc<TraceCounters>,
}

/// The tracer of one worker; not for several threads.
pub struct Tracer {
    parts: TracerParts,
    /// 128 random bits of the process, advanced with each id.
    state: Cell<u128>,
    pending: RefCell<FinishedExchanges>,
}

/// The trace of an exchange that is under way.
#[derive(Debug)]
pub struct ExchangeTrace {
    pub trace: TraceId,
    parent: Option<SpanId>,
    sampled: bool,
    /// `None` if the gateway does not trace; it passes the client's context on.
    own: Option<OwnSpans>,
}

#[derive(Debug)]
struct OwnSpans {
    server: SpanId,
    backend: SpanId,
    waits: Vec<ChildSpan>,
}

impl TracerParts {
    /// `share` is the share of traces to record, 0 to 1, unless a service in front has decided. An
    /// exchange that takes as long as `slow` is exported in any case.
    pub fn new(share: f64, slow: Duration, counters: Arc<TraceCounters>) -> (Self, SpanReceiver) {
        let (queue, receiver) = channel(QUEUED_BUFFERS);
        (Self { threshold: rejection_threshold(share), slow, queue, counters }, receiver)
    }

    /// Makes the tracer of one worker. `seed` is random.
    pub fn tracer(&self, seed: u128) -> Tracer {
        Tracer { parts: self.clone(), state: Cell::new(seed), pending: RefCell::default() }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the share lies between 0 and 1, so the threshold within 0..=2^56"
)]
fn rejection_threshold(share: f64) -> u64 {
    DECIDING_BITS.saturating_sub((share.clamp(0.0, 1.0) * DECIDING_BITS as f64) as u64)
}

impl Tracer {
    /// Begins the trace of an exchange, or continues the client's. A client's decision on sampling
    /// holds; without one, the ids decide.
    pub fn begin(&self, client: Option<TraceContext>) -> ExchangeTrace {
        let trace = client.map_or_else(|| TraceId::random(self.bits()), |client| client.trace);
        let (server, backend) = self.spans();
        let own = OwnSpans { server, backend, waits: Vec::new() };
        ExchangeTrace {
            trace,
            parent: client.map(|client| client.span),
            sampled: client.map_or_else(|| self.samples(trace), |client| client.sampled),
            own: Some(own),
        }
    }

    /// Decides on a trace that begins here.
    pub(super) fn samples(&self, trace: TraceId) -> bool {
        trace.randomness() >= self.parts.threshold
    }

    /// Tells whether the spans of an exchange that ended are exported.
    pub fn wants(&self, trace: &ExchangeTrace, failed: bool, took: Duration) -> bool {
        trace.own.is_some() && (trace.sampled || failed || took >= self.parts.slow)
    }

    /// Makes the id of a span.
    pub fn span(&self) -> SpanId {
        self.spans().0
    }

    /// Makes the ids of two spans at once.
    fn spans(&self) -> (SpanId, SpanId) {
        let bits = self.bits();
        let half = |bits: u128| SpanId::random(u64::try_from(bits).unwrap_or_default());
        (half(bits >> u64::BITS), half(bits & u128::from(u64::MAX)))
    }

    /// Keeps a finished exchange.
    pub fn finish(&self, exchange: ExchangeSpans) {
        let mut pending = self.pending.borrow_mut();
        pending.push(exchange);
        if pending.len() >= FULL_BUFFER {
            self.hand_over(&mut pending);
        }
    }

    /// Hands over the kept exchanges. The worker calls it on its tick and at its end.
    pub fn flush(&self) {
        self.hand_over(&mut self.pending.borrow_mut());
    }

    fn hand_over(&self, pending: &mut FinishedExchanges) {
        if pending.is_empty() {
            return;
        }
        if let Err(error) = self.parts.queue.try_send(std::mem::take(pending)) {
            let lost = error.into_inner().iter().map(ExchangeSpans::count).sum();
            self.parts.counters.dropped(DroppedSpans::QueueFull, lost);
        }
    }

    /// Returns 128 bits of a permuted congruential generator (PCG, M. E. O'Neill): ids need not be
    /// secret.
    fn bits(&self) -> u128 {
        const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
        const INCREMENT: u128 = 0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f;
        let state = self.state.get().wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
        self.state.set(state);
        let mixed = (state ^ (state >> 64)).wrapping_mul(MULTIPLIER);
        mixed ^ (mixed >> 64)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.flush();
    }
}

impl ExchangeTrace {
    /// Returns the client's trace, for a gateway that does not trace.
    pub fn of_client(client: TraceContext) -> Self {
        let TraceContext { trace, span, sampled } = client;
        Self { trace, parent: Some(span), sampled, own: None }
    }

    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Returns the context for the backend; `None` leaves the client's as it is.
    pub fn for_backend(&self) -> Option<TraceContext> {
        let own = self.own.as_ref()?;
        Some(TraceContext { trace: self.trace, span: own.backend, sampled: self.sampled })
    }

    /// Notes a wait. Only the first ones are kept.
    pub fn waited(&mut self, wait: impl FnOnce() -> ChildSpan) {
        if let Some(own) = &mut self.own
            && own.waits.len() < MOST_WAITS
        {
            own.waits.push(wait());
        }
    }

    /// The span that sent the request.
    pub fn parent(&self) -> Option<SpanId> {
        self.parent
    }

    /// Returns the ids of the exchange's and the backend's span, and the waits.
    pub fn into_own(self) -> Option<(SpanId, SpanId, Vec<ChildSpan>)> {
        self.own.map(|own| (own.server, own.backend, own.waits))
    }
}

impl fmt::Debug for TracerParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracerParts").field("slow", &self.slow).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tracer {
    /// Leaves the waiting exchanges out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("parts", &self.parts).finish_non_exhaustive()
    }
}
