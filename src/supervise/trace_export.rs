//! Sends finished spans to the collector, from the control side's thread.
//!
//! A collector that is down or stalls costs no request anything. A delivery has a deadline, and the
//! next one waits longer after each failure. Spans that find no place in the queue are dropped and
//! counted there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::fetch::{self, FetchFailure, Receipt};
use crate::model::gateway::TraceSettings;
use crate::redis_link::schedule::{retry, unique};
use crate::telemetry::{
    DroppedSpans, ExchangeSpans, FinishedExchanges, Metrics, SpanReceiver, TraceCounters,
    TraceResource, TracerParts, encode_spans, rejected_spans, with_causes,
};

/// Exchanges in one delivery: about half a megabyte.
const MOST_EXCHANGES: usize = 512;

/// Deliveries of the same spans, within about a minute: a collector that is started again is back
/// by then.
const MOST_TRIES: u32 = 8;

/// A collector that is down for long is still found within this time.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The longest time for the last spans when the gateway stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The place that log lines name.
const TARGET: &str = "portcullis::traces";

/// The task that exports; dropping it ends the task.
#[derive(Debug)]
pub(super) struct TraceExport(JoinSet<()>);

struct Exporter {
    settings: TraceSettings,
    authorization: Option<HeaderValue>,
    resource: TraceResource,
    counters: Arc<TraceCounters>,
    /// Deliveries that failed in a row.
    failures: u32,
}

/// The end of a delivery.
enum Delivery {
    Accepted {
        rejected: usize,
    },
    /// The collector cannot take these spans, now or later.
    Refused(String),
    Failed {
        why: String,
        wait: Option<Duration>,
    },
}

impl TraceExport {
    /// Starts the task, if the file names a collector, and returns the parts for workers' tracers.
    pub(super) fn start(
        settings: Option<&TraceSettings>,
        metrics: &Metrics,
    ) -> (Option<TracerParts>, Self) {
        let mut task = JoinSet::new();
        let Some(settings) = settings else { return (None, Self(task)) };
        let counters = metrics.traces();
        let (parts, queue) =
            TracerParts::new(settings.sample, settings.slow, Arc::clone(&counters));
        let authorization = settings.authorization.as_ref().and_then(|secret| {
            let mut value = HeaderValue::try_from(secret.reveal()).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let exporter = Exporter {
            settings: settings.clone(),
            authorization,
            resource: TraceResource { instance: unique(), host },
            counters,
            failures: 0,
        };
        task.spawn(exporter.run(queue));
        (Some(parts), Self(task))
    }

    /// Waits until the last spans are sent, for a short time. The workers have ended.
    pub(super) async fn shutdown(&mut self) {
        if timeout(STOP_TIMEOUT, self.0.join_next()).await.is_err() {
            tracing::warn!(
                target: TARGET,
                "spans are lost: the collector does not take the last ones",
            );
        }
        self.0.shutdown().await;
    }
}

impl Exporter {
    /// Exports until no worker is left.
    async fn run(mut self, mut queue: SpanReceiver) {
        while let Some(mut exchanges) = queue.recv().await {
            while exchanges.len() < MOST_EXCHANGES
                && let Ok(more) = queue.try_recv()
            {
                exchanges.extend(more);
            }
            self.export(exchanges).await;
        }
    }

    async fn export(&mut self, exchanges: FinishedExchanges) {
        let count = exchanges.iter().map(ExchangeSpans::count).sum();
        let encoded = encode_spans(&self.resource, &exchanges);
        drop(exchanges);
        let Ok(encoded) = encoded else {
            self.counters.dropped(DroppedSpans::Rejected, count);
            return;
        };
        let body = Bytes::from(encoded);
        for _ in 0..MOST_TRIES {
            match self.deliver(body.clone()).await {
                Delivery::Accepted { rejected } => {
                    self.accepted(count, rejected.min(count));
                    return;
                }
                Delivery::Refused(why) => {
                    self.failed(&why);
                    self.counters.dropped(DroppedSpans::Rejected, count);
                    sleep(retry(self.failures, LONGEST_WAIT)).await;
                    return;
                }
                Delivery::Failed { why, wait } => {
                    self.failed(&why);
                    let wait = wait.unwrap_or_default().min(LONGEST_WAIT);
                    sleep(retry(self.failures, LONGEST_WAIT).max(wait)).await;
                }
            }
        }
        self.counters.dropped(DroppedSpans::Unreachable, count);
    }

    async fn deliver(&self, body: Bytes) -> Delivery {
        let TraceSettings { fetch, url, .. } = &self.settings;
        let delivered = fetch::deliver(fetch, url, body, self.authorization.as_ref()).await;
        delivered.map_or_else(|error| failure(&error), |receipt| receipt_of(&receipt))
    }

    fn accepted(&mut self, count: usize, rejected: usize) {
        if self.failures > 0 {
            tracing::info!(
                target: TARGET,
                collector = %self.settings.url,
                "the collector accepts spans again",
            );
        }
        if rejected > 0 {
            tracing::warn!(target: TARGET, rejected, "the collector did not accept all spans");
        }
        self.failures = 0;
        self.counters.collector_up(true);
        self.counters.exported(count.saturating_sub(rejected));
        self.counters.dropped(DroppedSpans::Rejected, rejected);
    }

    /// Logs the first failure in a row, and counts them all.
    fn failed(&mut self, why: &str) {
        if self.failures == 0 {
            tracing::warn!(
                target: TARGET,
                collector = %self.settings.url,
                error = why,
                "spans cannot be sent; they are tried again, and dropped after a minute",
            );
        }
        self.failures = self.failures.saturating_add(1);
        self.counters.collector_up(false);
    }
}

fn failure(error: &FetchFailure) -> Delivery {
    Delivery::Failed { why: with_causes(error), wait: None }
}

/// Returns the outcome. The statuses that the protocol names are worth another try.
fn receipt_of(receipt: &Receipt) -> Delivery {
    let Receipt { status, retry_after, content } = receipt;
    let why = || format!("the collector answered {status}");
    match *status {
        status if status.is_success() => Delivery::Accepted { rejected: rejected_spans(content) },
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Delivery::Failed { why: why(), wait: *retry_after },
        _ => Delivery::Refused(why()),
    }
}
