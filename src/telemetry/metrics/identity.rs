//! Counts revocations, and introspection of tokens that only their server can read.
//!
//! No label comes from a token: labels are key managers' names, and words of closed lists.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::cell::{Cell, OpenCount};
use super::collect::{as_f64, sample};
use super::exposition::Exposition;
use super::families;
use super::family::FamilyDefinition;
use super::histogram::{HistogramCells, HistogramTotals};
use super::sample::{Label, MetricSample, SampleValue};

/// The state of the revocations, read at each scrape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevocationFacts {
    /// The number of revocations in force, by kind.
    pub held: Vec<(&'static str, u64)>,
    pub bytes: u64,
    /// The number of applied revocations, by kind and origin.
    pub applied: Vec<(&'static str, &'static str, u64)>,
    pub expired: u64,
    /// The number of revocations that were refused because the list was full.
    pub full: u64,
    pub journal_failures: u64,
    /// The number of damages, found at the start or while running.
    pub journal_damages: u64,
    /// The number of lifted revocations.
    pub lifted: u64,
    pub channel: Option<ChannelFacts>,
}

/// The state of the channel to the other gateways, read at each scrape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelFacts {
    pub up: bool,
    pub failures: u64,
    /// Messages, by outcome.
    pub messages: Vec<(&'static str, u64)>,
    pub published: u64,
    pub overflows: u64,
    pub comparisons: u64,
    /// Claims of DPoP proofs, by the server's answer.
    pub claims: Vec<(&'static str, u64)>,
}

/// The source of [`RevocationFacts`].
pub(super) struct RevocationSource(Box<dyn Fn() -> RevocationFacts + Send + Sync>);

impl RevocationSource {
    pub(super) fn new(source: impl Fn() -> RevocationFacts + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }

    pub(super) fn ask(&self) -> RevocationFacts {
        (self.0)()
    }
}

impl fmt::Debug for RevocationSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevocationSource")
    }
}

/// Questions to one key manager's server; all workers count here, for a question costs far more
/// than the count.
#[derive(Debug, Default)]
pub struct IntrospectionCounters {
    questions: OpenCount,
    active: Cell,
    inactive: Cell,
    unavailable: Cell,
    remembered: Cell,
    breaker_open: Cell,
    breaker_openings: Cell,
    breaker_refused: Cell,
    odd_members: Cell,
    duration: HistogramCells,
}

impl IntrospectionCounters {
    pub fn began(&self) {
        self.questions.began.add_shared(1);
    }

    /// Counts the end of a question, also if the asker has left.
    pub fn ended(&self) {
        self.questions.ended.add_shared(1);
    }

    pub fn active(&self, took: Duration) {
        self.active.add_shared(1);
        self.duration.observe_shared(took);
    }

    pub fn inactive(&self, took: Duration) {
        self.inactive.add_shared(1);
        self.duration.observe_shared(took);
    }

    /// Counts a question without a readable answer, or without an address to ask.
    pub fn unavailable(&self, took: Duration) {
        self.unavailable.add_shared(1);
        self.duration.observe_shared(took);
    }

    /// The circuit breaker opened, or closed.
    pub fn breaker(&self, open: bool) {
        if open && self.breaker_open.load() == 0 {
            self.breaker_openings.add_shared(1);
        }
        self.breaker_open.set(u64::from(open));
    }

    /// A question was refused because the circuit breaker is open.
    pub fn breaker_refused(&self) {
        self.breaker_refused.add_shared(1);
    }

    /// Counts the members of an answer whose form differs from RFC 7662's.
    pub fn odd_members(&self, count: u64) {
        self.odd_members.add_shared(count);
    }

    /// The answer was known.
    pub fn remembered(&self) {
        self.remembered.add_shared(1);
    }
}

/// All key managers with introspection.
#[derive(Debug, Default)]
pub(super) struct Introspections {
    known: Mutex<BTreeMap<Arc<str>, Weak<IntrospectionCounters>>>,
}

type Live = Vec<(Arc<str>, Arc<IntrospectionCounters>)>;

impl Introspections {
    pub(super) fn of(&self, key_manager: &str) -> Arc<IntrospectionCounters> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = known.get(key_manager).and_then(Weak::upgrade) {
            return counters;
        }
        let counters = Arc::default();
        known.insert(key_manager.into(), Arc::downgrade(&counters));
        counters
    }

    pub(super) fn live(&self) -> Live {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, counters| counters.strong_count() > 0);
        known
            .iter()
            .filter_map(|(name, counters)| Some((Arc::clone(name), counters.upgrade()?)))
            .collect()
    }
}

pub(super) fn introspections(out: &mut Exposition<'_>, live: &Live) {
    let name = |name: &Arc<str>| Label::Shared(Arc::clone(name));
    let each = |value: &dyn Fn(&IntrospectionCounters) -> u64| {
        live.iter()
            .map(|(key_manager, counters)| sample([name(key_manager)], as_f64(value(counters))))
            .collect::<Vec<_>>()
    };
    let results = live.iter().flat_map(|(key_manager, counters)| {
        let results = [
            ("active", &counters.active),
            ("inactive", &counters.inactive),
            ("unavailable", &counters.unavailable),
        ];
        results.map(|(result, count)| {
            sample([name(key_manager), Label::Fixed(result)], as_f64(count.load()))
        })
    });
    out.write(&families::INTROSPECTIONS, results.collect());
    let durations = live.iter().map(|(key_manager, counters)| {
        let mut totals = HistogramTotals::default();
        counters.duration.add_to(&mut totals);
        MetricSample {
            labels: Box::new([name(key_manager)]),
            value: SampleValue::Histogram(totals),
            exemplars: None,
        }
    });
    out.write(&families::INTROSPECTION_DURATION, durations.collect());
    out.write(&families::INTROSPECTIONS_IN_FLIGHT, each(&|counters| counters.questions.open()));
    out.write(&families::INTROSPECTION_CACHE_HITS, each(&|counters| counters.remembered.load()));
    let breaker = each(&|counters| counters.breaker_open.load());
    out.write(&families::INTROSPECTION_BREAKER_OPEN, breaker);
    let breaker = each(&|counters| counters.breaker_openings.load());
    out.write(&families::INTROSPECTION_BREAKER_OPENINGS, breaker);
    let breaker = each(&|counters| counters.breaker_refused.load());
    out.write(&families::INTROSPECTION_BREAKER_REFUSED, breaker);
    let odd = each(&|counters| counters.odd_members.load());
    out.write(&families::INTROSPECTION_ODD_MEMBERS, odd);
}

pub(super) fn revocations(out: &mut Exposition<'_>, facts: &RevocationFacts) {
    let held = facts
        .held
        .iter()
        .map(|(kind, count)| sample([Label::Fixed(kind)], as_f64(*count)))
        .collect();
    out.write(&families::REVOCATIONS, held);
    let applied = facts.applied.iter().map(|(kind, source, count)| {
        sample([Label::Fixed(kind), Label::Fixed(source)], as_f64(*count))
    });
    out.write(&families::REVOCATIONS_APPLIED, applied.collect());
    let mut one = |family: &'static FamilyDefinition, value: u64| {
        out.write(family, vec![sample([], as_f64(value))]);
    };
    one(&families::REVOCATION_BYTES, facts.bytes);
    one(&families::REVOCATIONS_EXPIRED, facts.expired);
    one(&families::REVOCATIONS_FULL, facts.full);
    one(&families::REVOCATION_JOURNAL_FAILURES, facts.journal_failures);
    one(&families::REVOCATION_JOURNAL_DAMAGES, facts.journal_damages);
    one(&families::REVOCATIONS_LIFTED, facts.lifted);
    let Some(channel) = &facts.channel else { return };
    one(&families::REVOCATION_CHANNEL_UP, u64::from(channel.up));
    one(&families::REVOCATION_CHANNEL_FAILURES, channel.failures);
    one(&families::REVOCATION_CHANNEL_PUBLISHED, channel.published);
    one(&families::REVOCATION_CHANNEL_OVERFLOWS, channel.overflows);
    one(&families::REVOCATION_CHANNEL_COMPARISONS, channel.comparisons);
    let messages = channel
        .messages
        .iter()
        .map(|(result, count)| sample([Label::Fixed(result)], as_f64(*count)));
    out.write(&families::REVOCATION_CHANNEL_MESSAGES, messages.collect());
    let claims =
        channel.claims.iter().map(|(result, count)| sample([Label::Fixed(result)], as_f64(*count)));
    out.write(&families::DPOP_PROOF_CLAIMS, claims.collect());
}
