//! Traces of exchanges: one span for the exchange, with children for its waits and its backend.
//!
//! Whether a trace is sampled is decided when the request head is read, so that the backend learns
//! of it. An exchange that fails or is slow is exported all the same. A worker keeps finished
//! exchanges in a buffer of its own and hands them over on its tick, without waiting. If the queue
//! is full, spans are dropped and counted.
//!
//! The walk through the files: [`context`] (ids, and the W3C header), [`span`] (an exchange that
//! ended), [`tracer`] (a worker's end), [`counters`], [`otlp`] (the form in which collectors read
//! spans). The task that sends them stands in `supervise`, which may use the network.

mod context;
mod counters;
mod otlp;
mod span;
mod tracer;

#[cfg(test)]
mod tests;

pub use self::context::{TraceContext, TraceId};
pub use self::counters::{DroppedSpans, TraceCounters};
pub use self::otlp::{TraceResource, encode_spans, rejected_spans};
pub use self::span::{ChildSpan, ClientSpan, ExchangeSpans, ServerSpan};
pub use self::tracer::{ExchangeTrace, FinishedExchanges, SpanReceiver, Tracer, TracerParts};
