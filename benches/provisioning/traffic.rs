//! Traffic at a fixed rate, quiet and while subscriptions change.
//!
//! The changes of the last part of a round are the same as those of the second one, but the gateway that serves then
//! has no store, and the one that has rests. So the difference of the two is the gateway's own work for changes.

use std::collections::HashSet;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::store::{Kind, PostgresStore, Query, Record, Store};
use uuid::Uuid;

use crate::changes::{Changes, Made};
use crate::clients::calls;
use crate::processors::ProcessorTime;
use crate::running::Running;

/// A gateway that needs longer has lost changes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Subscriptions that change in turn.
const CHANGING: usize = 5_000;

pub(crate) struct TrafficPlan {
    pub(crate) rounds: usize,
    /// Of one part of a round, and of the search for the capacity.
    pub(crate) part: Duration,
}

impl TrafficPlan {
    pub(crate) fn measured() -> Self {
        Self { rounds: 9, part: Duration::from_secs(5) }
    }

    pub(crate) fn tried() -> Self {
        Self { rounds: 1, part: Duration::from_millis(300) }
    }
}

pub(crate) struct Traffic<'t> {
    /// Follows the store.
    pub(crate) following: &'t Running,
    /// Serves the same clients from a file.
    pub(crate) apart: &'t Running,
    pub(crate) store: Arc<PostgresStore>,
    pub(crate) tokens: Vec<String>,
    /// Those of the tokens' clients.
    pub(crate) applications: HashSet<Uuid>,
    pub(crate) plan: &'t TrafficPlan,
}

/// One figure of each round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) quiet: Vec<f64>,
    pub(crate) following: Vec<f64>,
    pub(crate) apart: Vec<f64>,
    pub(crate) reached: Vec<f64>,
    pub(crate) behind: Vec<f64>,
    /// Microseconds of a processor for a change, and for a request.
    pub(crate) change: Vec<f64>,
    pub(crate) request: Vec<f64>,
    pub(crate) quiet_request: Vec<f64>,
}

impl Traffic<'_> {
    pub(crate) async fn measure(self) {
        let most = self.sent(self.following, None).await.len() as f64;
        let most = most / self.plan.part.as_secs_f64();
        let rate = Some(most / 5.0);
        println!("traffic: {most:.0} requests a second at most; a fifth of that from here on");
        let mut changing = self.subscriptions().await;
        let mut figures = Figures::default();
        for _ in 0..self.plan.rounds {
            let began = ProcessorTime::of(self.following.id());
            let quiet = self.sent(self.following, rate).await;
            let quiet_time = ProcessorTime::of(self.following.id()).since(began);
            let (began, started) = (ProcessorTime::of(self.following.id()), Instant::now());
            let changes = Changes::begin(Arc::clone(&self.store), changing);
            let meanwhile = self.sent(self.following, rate).await;
            let Made { count, revision, records } = changes.end().await;
            let time = ProcessorTime::of(self.following.id()).since(began);
            figures.reached.push(count as f64 / started.elapsed().as_secs_f64());
            figures.behind.push(self.catches_up(revision).await);
            figures.change.push((time.others - quiet_time.others) * 1e6 / count as f64);
            figures.request.push(time.workers * 1e6 / meanwhile.len() as f64);
            figures.quiet_request.push(quiet_time.workers * 1e6 / quiet.len() as f64);
            figures.quiet.push(p99(quiet));
            figures.following.push(p99(meanwhile));
            signal(self.following, "-STOP");
            let changes = Changes::begin(Arc::clone(&self.store), records);
            let apart = self.sent(self.apart, rate).await;
            let Made { revision, records, .. } = changes.end().await;
            signal(self.following, "-CONT");
            self.catches_up(revision).await;
            figures.apart.push(p99(apart));
            changing = records;
        }
        figures.tell();
    }

    /// Subscriptions of others than the traffic's clients.
    async fn subscriptions(&self) -> Vec<Record> {
        let mut found = Vec::new();
        let mut next = Some(Query::of(Kind::Subscription));
        while let Some(query) = next.filter(|_| found.len() < CHANGING) {
            let page = self.store.list(&query).await.expect("a page");
            next = query.after(&page);
            let others = page.items.into_iter().filter(|own| !self.is_of_traffic(own));
            found.extend(others);
        }
        found.truncate(CHANGING);
        found
    }

    fn is_of_traffic(&self, subscription: &Record) -> bool {
        subscription.parent.is_some_and(|parent| self.applications.contains(&parent))
    }

    /// Waits until the gateway has a revision in force; returns the milliseconds.
    async fn catches_up(&self, revision: u64) -> f64 {
        let began = Instant::now();
        while self.following.revision().await < revision {
            assert!(began.elapsed() < PATIENCE, "the gateway never has revision {revision}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed().as_secs_f64() * 1e3
    }

    async fn sent(&self, gateway: &Running, rate: Option<f64>) -> Vec<f64> {
        calls(gateway.port, &self.tokens, rate, self.plan.part).await
    }
}

impl Figures {
    pub(crate) fn tell(self) {
        let all = |name: &str, values: Vec<f64>| {
            if values.is_empty() {
                return;
            }
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            println!("{name}: median {:.2}, from {low:.2} to {high:.2}", median(values));
        };
        let ratio = |one: &[f64], other: &[f64]| -> Vec<f64> {
            one.iter().zip(other).map(|(one, other)| one / other).collect()
        };
        let following = ratio(&self.following, &self.quiet);
        let apart = ratio(&self.apart, &self.quiet);
        let own = ratio(&self.following, &self.apart);
        all("changes a second", self.reached);
        all("p99 of traffic, quiet, ms", self.quiet);
        all("p99 at the gateway that follows, ms", self.following);
        all("p99 at a gateway without a store beside the same changes, ms", self.apart);
        all("the ratio to the quiet one", following);
        all("of which the changes have elsewhere", apart);
        all("of which the gateway has", own);
        all("behind at the end, ms", self.behind);
        all("processor time for a change, us", self.change);
        all("for a request meanwhile, us", self.request);
        all("for a request when it is quiet, us", self.quiet_request);
    }
}

fn signal(gateway: &Running, signal: &str) {
    let done = Command::new("kill").args([signal, &gateway.id().to_string()]).status();
    assert!(done.expect("kill").success());
}

pub(crate) fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).copied().expect("there was traffic")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
