//! The state of a target beside its definition: its load, its health, its ejection.
//!
//! It is shared by all workers. It is kept through reloads for a target whose address, trust and
//! rules did not change. Decides when failures in a row eject a target and when it is back. Never
//! sends anything to a target.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::model::backend::{EjectRule, HealthRule};

/// Milliseconds since the first question; one clock for all workers.
pub fn monotonic_millis() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The time for which an address that accepted no connection is tried last. It doubles with each
/// failure in a row.
const REFUSED: Duration = Duration::from_secs(1);
const MOST_DOUBLINGS: u32 = 4;

/// The time after the last look at an address for which its state is kept.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// The state of one target: of each of its addresses, and of itself while it has none or is written
/// as one. Workers resolve names at different times, so the state of an address is kept for all
/// while one of them knows it.
#[derive(Debug, Default)]
pub struct TargetHealths {
    own: Arc<TargetHealth>,
    /// The end of the certificate that the target last showed, in seconds since 1970; 0 if none.
    certificate_until: AtomicU64,
    /// The name led only to networks that may not be called.
    denied: AtomicBool,
    by_address: Mutex<HashMap<SocketAddr, Seen>>,
}

#[derive(Debug)]
struct Seen {
    health: Arc<TargetHealth>,
    /// The last look, in milliseconds.
    last: u64,
}

impl TargetHealths {
    /// Notes the end of the target's certificate.
    pub fn note_certificate(&self, until: u64) {
        self.certificate_until.store(until, Relaxed);
    }

    pub fn certificate_until(&self) -> Option<u64> {
        Some(self.certificate_until.load(Relaxed)).filter(|until| *until > 0)
    }

    /// Notes whether the target's name leads to networks only that may not be called.
    pub fn note_denied(&self, denied: bool) {
        self.denied.store(denied, Relaxed);
    }

    pub fn is_denied(&self) -> bool {
        self.denied.load(Relaxed)
    }

    pub fn own(&self) -> &Arc<TargetHealth> {
        &self.own
    }

    /// Returns the state of these addresses, and forgets those without a look for a while.
    pub fn of(&self, addresses: &[SocketAddr], now: u64) -> Vec<Arc<TargetHealth>> {
        let mut known = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let mut look = |address: &SocketAddr| {
            let seen =
                known.entry(*address).or_insert_with(|| Seen { health: Arc::default(), last: now });
            seen.last = now;
            Arc::clone(&seen.health)
        };
        let found = addresses.iter().map(&mut look).collect();
        known.retain(|_, seen| {
            after(seen.last, FORGOTTEN) > now || Arc::strong_count(&seen.health) > 1
        });
        found
    }
}

/// The longest ejection, as a multiple of the rule's. It grows with each ejection in a row.
const LONGEST_EJECTION: u32 = 10;

#[derive(Debug, Default)]
pub struct TargetHealth {
    in_flight: AtomicUsize,
    unhealthy: AtomicBool,
    /// The number of checks in a row that contradicted `unhealthy`.
    doubts: AtomicU32,
    next_check: AtomicU64,
    failures: AtomicU32,
    ejected_until: AtomicU64,
    ejections: AtomicU32,
    refused_until: AtomicU64,
    /// Connections in a row that it did not take.
    refusals: AtomicU32,
    /// The time at which the target came back; 0 if it never was ejected.
    recovered: AtomicU64,
}

/// A target's change of health, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthChange {
    Unhealthy,
    Healthy,
}

impl TargetHealth {
    /// Tells whether it can be used: healthy, and not ejected.
    pub fn is_usable(&self, now: u64) -> bool {
        !self.unhealthy.load(Relaxed) && !self.is_ejected(now)
    }

    pub fn is_ejected(&self, now: u64) -> bool {
        self.ejected_until.load(Relaxed) > now
    }

    pub fn is_unhealthy(&self) -> bool {
        self.unhealthy.load(Relaxed)
    }

    /// Tells whether it has just refused a connection.
    pub fn refuses(&self, now: u64) -> bool {
        self.refused_until.load(Relaxed) > now
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// A request is with the target until [`TargetHealth::ended`].
    pub fn began(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub fn ended(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Notes that it accepted no connection. Failures of one moment count once.
    pub fn refused(&self, now: u64) {
        let doublings = if self.refuses(now) && self.refusals.load(Relaxed) > 0 {
            self.refusals.load(Relaxed).saturating_sub(1)
        } else {
            self.refusals.fetch_add(1, Relaxed)
        };
        let time = REFUSED.saturating_mul(1 << doublings.min(MOST_DOUBLINGS));
        self.refused_until.store(after(now, time), Relaxed);
    }

    /// Notes that a connection to it is tried. If it accepted none before, others go on to try it
    /// last in the meantime.
    pub fn probing(&self, now: u64) {
        if self.refusals.load(Relaxed) > 0 && !self.refuses(now) {
            self.refused_until.store(after(now, REFUSED), Relaxed);
        }
    }

    /// The target answered well.
    pub fn succeeded(&self, now: u64) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        if self.refused_until.load(Relaxed) != 0 {
            self.refused_until.store(0, Relaxed);
            self.refusals.store(0, Relaxed);
        }
        // out no more, and good since: the next ejection is a first one again
        if self.ejections.load(Relaxed) != 0 && !self.is_ejected(now) {
            self.ejections.store(0, Relaxed);
        }
    }

    /// Notes a failure, and returns whether it was one too many. The caller decides whether the
    /// target may be [`TargetHealth::eject`]ed.
    pub fn failed(&self, rule: &EjectRule) -> bool {
        self.failures.fetch_add(1, Relaxed).saturating_add(1) >= rule.consecutive_failures
    }

    /// Takes the target out for a while; false if it is out already.
    pub fn eject(&self, rule: &EjectRule, now: u64) -> bool {
        if self.is_ejected(now) {
            return false;
        }
        self.failures.store(0, Relaxed);
        let times = self.ejections.fetch_add(1, Relaxed).saturating_add(1).min(LONGEST_EJECTION);
        let until = after(now, rule.duration.saturating_mul(times));
        self.ejected_until.store(until, Relaxed);
        self.recovered.store(until, Relaxed);
        true
    }

    /// Tells whether the next check is due. A caller that gets true must make it.
    pub fn check_is_due(&self, rule: &HealthRule, now: u64) -> bool {
        let due = self.next_check.load(Relaxed);
        due <= now
            && self
                .next_check
                .compare_exchange(due, after(now, rule.interval), Relaxed, Relaxed)
                .is_ok()
    }

    /// Notes the result of a check.
    pub fn checked(&self, rule: &HealthRule, good: bool, now: u64) -> Option<HealthChange> {
        let unhealthy = self.unhealthy.load(Relaxed);
        if good != unhealthy {
            self.doubts.store(0, Relaxed);
            return None;
        }
        let doubts = self.doubts.fetch_add(1, Relaxed).saturating_add(1);
        let enough = if unhealthy { rule.healthy } else { rule.unhealthy };
        if doubts < enough {
            return None;
        }
        self.doubts.store(0, Relaxed);
        self.unhealthy.store(!unhealthy, Relaxed);
        if unhealthy {
            self.recovered.store(now, Relaxed);
            return Some(HealthChange::Healthy);
        }
        Some(HealthChange::Unhealthy)
    }

    /// Returns the share of its turns that a target takes now, in thousandths: it grows while a
    /// target that came back warms up.
    pub fn warmth(&self, slow_start: Duration, now: u64) -> u64 {
        const COLDEST: u64 = 100;
        let recovered = self.recovered.load(Relaxed);
        let Some(length) = u64::try_from(slow_start.as_millis()).ok().filter(|length| *length > 0)
        else {
            return 1000;
        };
        if recovered == 0 || recovered > now {
            return 1000;
        }
        let passed =
            now.saturating_sub(recovered).saturating_mul(1000).checked_div(length).unwrap_or(1000);
        passed.clamp(COLDEST, 1000)
    }
}

fn after(now: u64, time: Duration) -> u64 {
    now.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EJECT: EjectRule =
        EjectRule { consecutive_failures: 3, duration: Duration::from_secs(10), max_ejected: 500 };

    fn health() -> HealthRule {
        let second = Duration::from_secs(1);
        HealthRule {
            path: "/".to_owned(),
            interval: second,
            timeout: second,
            healthy: 2,
            unhealthy: 3,
        }
    }

    #[test]
    fn failures_in_a_row_take_a_target_out_and_time_brings_it_back() {
        let health = TargetHealth::default();
        assert!(!health.failed(&EJECT) && !health.failed(&EJECT));
        health.succeeded(1);
        assert!(!health.failed(&EJECT) && !health.failed(&EJECT), "not in a row");
        assert!(health.failed(&EJECT));
        assert!(health.eject(&EJECT, 1000));
        assert!(!health.eject(&EJECT, 1000), "out already");
        assert!(!health.is_usable(10_999));
        assert!(health.is_usable(11_000));
        assert!(health.eject(&EJECT, 11_000));
        assert!(!health.is_usable(30_999), "the second time in a row is longer");
        assert!(health.is_usable(31_000));
    }

    #[test]
    fn checks_in_a_row_change_health() {
        let (health, rule) = (TargetHealth::default(), health());
        assert_eq!(
            [health.checked(&rule, false, 1), health.checked(&rule, false, 2)],
            [None, None]
        );
        assert_eq!(health.checked(&rule, true, 3), None);
        assert_eq!(
            [health.checked(&rule, false, 4), health.checked(&rule, false, 5)],
            [None, None]
        );
        assert_eq!(health.checked(&rule, false, 6), Some(HealthChange::Unhealthy));
        assert!(!health.is_usable(7));
        assert_eq!(health.checked(&rule, true, 8), None);
        assert_eq!(health.checked(&rule, true, 1000), Some(HealthChange::Healthy));
        assert!(health.is_usable(1000));
        assert_eq!(health.warmth(Duration::from_secs(10), 1000), 100, "cold");
        assert_eq!(health.warmth(Duration::from_secs(10), 6000), 500);
        assert_eq!(health.warmth(Duration::from_secs(10), 60_000), 1000);
    }

    #[test]
    fn an_address_is_known_for_as_long_as_somebody_looks_at_it() {
        let (one, two) = ("10.0.0.1:80".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let healths = TargetHealths::default();
        healths.of(&[one, two], 1000)[0].refused(1000);
        assert!(healths.of(&[one], 30_000)[0].refusals.load(Relaxed) == 1, "the same one");
        healths.of(&[one], 70_000);
        assert_eq!(healths.by_address.lock().unwrap().len(), 1, "the other one is gone");
        let held = healths.of(&[two], 70_000);
        healths.of(&[one], 700_000);
        assert!(Arc::ptr_eq(&held[0], &healths.of(&[two], 700_000)[0]), "somebody holds it");
    }

    #[test]
    fn an_address_that_takes_no_connection_is_left_alone_for_longer_each_time() {
        let health = TargetHealth::default();
        let mut now = 1000;
        for seconds in [1, 2, 4, 8, 16, 16] {
            health.refused(now);
            health.refused(now);
            assert!(health.refuses(now + seconds * 1000 - 1), "{seconds}");
            now += seconds * 1000;
            assert!(!health.refuses(now), "{seconds}");
        }
        health.probing(now);
        assert!(health.refuses(now + 999), "one tries, the others wait");
        health.succeeded(now + 10);
        assert!(!health.refuses(now + 10));
        health.refused(now);
        assert!(!health.refuses(now + 1000), "the first one again");
    }

    #[test]
    fn one_caller_makes_a_check() {
        let (health, rule) = (TargetHealth::default(), health());
        assert!(health.check_is_due(&rule, 5));
        assert!(!health.check_is_due(&rule, 5));
        assert!(health.check_is_due(&rule, 1005));
    }
}
