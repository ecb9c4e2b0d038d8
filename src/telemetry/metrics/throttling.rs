//! Limits: requests that a policy refused or let through, and the table of counters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::cell::Cell;
use super::collect::{as_f64, sample};
use super::exposition::Exposition;
use super::families;
use super::family::FamilyDefinition;
use super::sample::Label;

/// Requests beyond one policy. All workers count here: they contend only where requests are
/// refused.
#[derive(Debug, Default)]
pub struct PolicySeries {
    refused: Cell,
    marked: Cell,
    observed: Cell,
}

impl PolicySeries {
    pub fn refused(&self) {
        self.refused.add_shared(1);
    }

    /// The policy's `stop_on_quota_reach` is false.
    pub fn marked(&self) {
        self.marked.add_shared(1);
    }

    /// The policy is only observed.
    pub fn observed(&self) {
        self.observed.add_shared(1);
    }
}

/// The state of the table of counters, read at each scrape.
#[derive(Debug, Clone, Copy, Default)]
pub struct CounterFacts {
    pub live: u64,
    pub most: u64,
    /// Requests that were counted in a shared counter of their policy.
    pub shared: u64,
    /// Times that counts could not be written to `state_dir`.
    pub failures: u64,
    /// The count over all gateways, if there is one.
    pub of_all_gateways: Option<SharedCounterFacts>,
}

/// The state of the count over all gateways.
#[derive(Debug, Clone, Copy, Default)]
pub struct SharedCounterFacts {
    pub up: bool,
    /// Calls that were answered, and that failed.
    pub rounds: u64,
    pub failures: u64,
    pub told: u64,
    pub known: u64,
    /// Requests that the servers decided, that this gateway decided alone, and that waited in vain.
    pub decided: u64,
    pub alone: u64,
    pub late: u64,
    pub last_round: Duration,
}

/// The owner of [`CounterFacts`].
pub(super) struct CounterSource(Box<dyn Fn() -> CounterFacts + Send + Sync>);

impl CounterSource {
    pub(super) fn new(source: impl Fn() -> CounterFacts + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }

    pub(super) fn ask(&self) -> CounterFacts {
        (self.0)()
    }
}

impl fmt::Debug for CounterSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CounterSource")
    }
}

/// A policy's name and level.
type PolicyLabels = (Arc<str>, &'static str);

/// All policies of a snapshot.
#[derive(Debug, Default)]
pub(super) struct PolicyRegistry {
    known: Mutex<BTreeMap<PolicyLabels, Weak<PolicySeries>>>,
}

type LivePolicies = Vec<(PolicyLabels, Arc<PolicySeries>)>;

impl PolicyRegistry {
    pub(super) fn of(&self, name: &str, level: &'static str) -> Arc<PolicySeries> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::from(name), level);
        if let Some(series) = known.get(&key).and_then(Weak::upgrade) {
            return series;
        }
        let series = Arc::default();
        known.insert(key, Arc::downgrade(&series));
        series
    }

    pub(super) fn live(&self) -> LivePolicies {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, series| series.strong_count() > 0);
        let live = known.iter();
        live.filter_map(|(key, series)| Some((key.clone(), series.upgrade()?))).collect()
    }
}

/// Writes the policies with counts.
pub(super) fn policies(out: &mut Exposition<'_>, live: &LivePolicies) {
    let samples = live.iter().flat_map(|((name, level), series)| {
        let outcomes = [
            ("refused", &series.refused),
            ("marked", &series.marked),
            ("observed", &series.observed),
        ];
        outcomes.into_iter().filter(|(_, cell)| cell.load() > 0).map(|(outcome, cell)| {
            let labels =
                [Label::Shared(Arc::clone(name)), Label::Fixed(level), Label::Fixed(outcome)];
            sample(labels, as_f64(cell.load()))
        })
    });
    out.write(&families::THROTTLED, samples.collect());
}

/// Writes the state of the count over all gateways, if there is one.
pub(super) fn shared(out: &mut Exposition<'_>, facts: SharedCounterFacts) {
    let mut one = |family: &'static FamilyDefinition, value: u64| {
        out.write(family, vec![sample([], as_f64(value))]);
    };
    one(&families::SHARED_COUNTERS_UP, facts.up.into());
    one(&families::SHARED_COUNTERS_KNOWN, facts.known);
    one(&families::SHARED_COUNTERS_TOLD, facts.told);
    out.write(
        &families::SHARED_COUNTERS_ROUNDS,
        [("answered", facts.rounds), ("failed", facts.failures)]
            .map(|(result, count)| sample([Label::Fixed(result)], as_f64(count)))
            .into(),
    );
    out.write(
        &families::SHARED_COUNTERS_REQUESTS,
        [("servers", facts.decided), ("alone", facts.alone), ("late", facts.late)]
            .map(|(by, count)| sample([Label::Fixed(by)], as_f64(count)))
            .into(),
    );
    out.write(
        &families::SHARED_COUNTERS_ROUND_SECONDS,
        vec![sample([], facts.last_round.as_secs_f64())],
    );
}

pub(super) fn counters(out: &mut Exposition<'_>, facts: CounterFacts) {
    let mut one = |family: &'static FamilyDefinition, value: u64| {
        out.write(family, vec![sample([], as_f64(value))]);
    };
    one(&families::THROTTLE_COUNTERS, facts.live);
    one(&families::THROTTLE_COUNTERS_LIMIT, facts.most);
    one(&families::THROTTLE_SHARED, facts.shared);
    one(&families::THROTTLE_STATE_FAILURES, facts.failures);
    if let Some(all) = facts.of_all_gateways {
        shared(out, all);
    }
}
