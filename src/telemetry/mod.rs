//! Shows the gateway to operators: counts, one line for each exchange, and the gateway's own
//! events. Knows only [`crate::model`] and decides nothing about a request.
//!
//! Nothing here blocks, fails or slows down a worker. Metrics are plain cells that one thread
//! writes. Lines that cannot be written in time are dropped and counted.
//!
//! The walk through the files: [`metrics`] (counts and `/metrics`), [`access_log`] (one line for
//! each exchange), [`log`] (events for operators, on stderr), [`refusals`] (the last ones, by id),
//! [`traces`] (spans of exchanges).

pub mod access_log;
mod causes;
pub mod log;
pub mod metrics;
pub mod refusals;
mod traces;

pub use access_log::{
    AccessLog, AccessLogError, AccessRecord, AccessWriter, ExchangeEnding, Fragment, TokenHash,
    UnixMillis,
};
pub use causes::with_causes;
pub use log::LogHandle;
pub use metrics::{
    ApplicationRegistry, ApplicationSeries, BudgetFacts, CallPair, CallReport, CallStatistics,
    CallWindow, CertificateFacts, ChannelFacts, CountedCalls, CounterFacts, ExpectedLoad,
    FamilySeries, IdentityFacts, IntrospectionCounters, KeyManagerFacts, KeyManagerSeries,
    ListenerSeries, ManagementCall, ManagementCounters, Measured, Metrics, OperationSeries,
    OrganizationFacts, PolicySeries, RefusedConnection, RevocationFacts, ScrapeFormat,
    ServerCertificateFacts, SharedCounterFacts, SignIn, SignUp, SnapshotFacts, StorePlace,
    TlsFailure, UNMATCHED_OPERATION, WorkerCounters, operation_label, worst_case_series,
};
pub use traces::{
    ChildSpan, ClientSpan, DroppedSpans, ExchangeSpans, ExchangeTrace, FinishedExchanges,
    ServerSpan, SpanReceiver, TraceContext, TraceCounters, TraceId, TraceResource, Tracer,
    TracerParts, encode_spans, rejected_spans,
};
