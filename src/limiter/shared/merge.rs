//! One counter in one round: the counts to send, and the merge of the answer.

use redis::Value;

use crate::limiter::burst::milliseconds;
use crate::limiter::counter::Counted;
use crate::limiter::key::CounterKey;
use crate::limiter::limit::Limit;
use crate::limiter::shared::known::{CounterState, Known};
use crate::limiter::shared::scripts::{Script, whole};
use crate::limiter::shared::servers::ScriptCall;
use crate::limiter::sliding::{SUB_WINDOWS, sub_window};
use crate::model::policy::{Quota, Window};

/// A counter lives this much longer than its longest window: clocks differ, and rounds come late.
const SPARE: u64 = 60_000;

/// Prefixes of the keys: each counter of its own may lie on any server of a cluster; those with a
/// tag lie on one.
const APART: &str = "portcullis:count:";
const TOGETHER: &str = "{portcullis}:count:";

/// The numbers of a round that all of its counters share.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    /// This process, as the counters know it.
    pub(super) gateway: String,
    /// Grows with each round.
    pub(super) number: u64,
    /// The servers' clock, less the steady time of this gateway, in ms.
    pub(super) ahead: i64,
    /// The steady time of this gateway.
    pub(super) steady: u64,
    pub(super) sums: Sums,
}

/// The counts that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    /// The gateway holds the counts of all gateways, as of the last round.
    OfAll,
    /// The gateway holds its own counts: the servers decide on each request.
    OfThisGateway,
}

/// The answer to a merge.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Merged {
    /// The time of the server, in ms.
    pub(super) now: u64,
    /// The level of the burst, in its own unit.
    pub(super) burst: u64,
    /// The counts, by this gateway's numbers of sub-windows.
    pub(super) counted: Vec<Counted>,
}

impl Comparison {
    pub(super) fn call(&self, state: &CounterState, known: &Known) -> ScriptCall {
        let mut arguments = vec![
            self.gateway.clone().into_bytes(),
            number(self.number),
            number(lifetime(&state.limit)),
            number(state.limit.quotas.len() as u64),
        ];
        for (position, quota) in (0_u8..).zip(&state.limit.quotas) {
            let entries: Vec<_> = state
                .counted
                .iter()
                .filter(|counted| counted.quota == position)
                .map(|counted| (counted, known.untold(*counted)))
                .filter(|(_, more)| *more > 0 || known.lost)
                .collect();
            arguments.push(number(self.oldest(quota)));
            arguments.push(number(entries.len() as u64));
            for (counted, more) in entries {
                let seen = match self.sums {
                    Sums::OfAll => known.seen(position, counted.at),
                    Sums::OfThisGateway => 0,
                };
                arguments.extend([
                    number(self.there(quota, counted.at)),
                    number(seen),
                    number(more),
                ]);
            }
        }
        let (requests, per) = state
            .limit
            .burst
            .map_or((0, 0), |burst| (burst.requests.get(), milliseconds(burst.per)));
        let spent = u64::from(known.untold_burst(state.spent));
        arguments.extend([number(requests), number(per), number(spent)]);
        ScriptCall { script: Script::Merge, keys: vec![self.key(state)], arguments }
    }

    fn key(&self, state: &CounterState) -> Vec<u8> {
        key(state.key.0, self.sums)
    }

    /// Reads an answer. Returns `None` if it has another shape.
    pub(super) fn read(&self, limit: &Limit, answer: &Value) -> Option<Merged> {
        let Value::Array(parts) = answer else { return None };
        let mut parts = parts.iter();
        let now = whole(parts.next()?)?;
        let burst = whole(parts.next()?)?;
        let mut counted = Vec::new();
        for (position, quota) in (0_u8..).zip(&limit.quotas) {
            for _ in 0..whole(parts.next()?)? {
                let (at, amount) = (whole(parts.next()?)?, whole(parts.next()?)?);
                counted.push(Counted { quota: position, at: self.here(quota, at), amount });
            }
        }
        parts.next().is_none().then_some(Merged { now, burst, counted })
    }

    /// The counts of other gateways in an answer, to be added here: no more than lies in the
    /// present.
    pub(super) fn of_others(
        &self,
        limit: &Limit,
        state: &CounterState,
        merged: &Merged,
    ) -> Vec<Counted> {
        let here = |counted: &Counted| {
            let same = |own: &&Counted| own.quota == counted.quota && own.at == counted.at;
            state.counted.iter().find(same).map_or(0, |own| own.amount)
        };
        let fits = |counted: &&Counted| {
            limit
                .quotas
                .get(usize::from(counted.quota))
                .is_some_and(|quota| self.is_present(quota, counted.at))
        };
        let more = merged.counted.iter().filter(fits).map(|counted| Counted {
            amount: counted.amount.saturating_sub(here(counted)),
            ..*counted
        });
        let mut more: Vec<_> = more.filter(|counted| counted.amount > 0).collect();
        more.sort_unstable_by_key(|counted| (counted.quota, counted.at));
        more
    }

    /// The counts that the servers hold after an answer. A count of the near future is left out: it
    /// is read again when it has come.
    pub(super) fn held(
        &self,
        limit: &Limit,
        state: &CounterState,
        merged: &Merged,
    ) -> Vec<Counted> {
        let mut held: Vec<Counted> = state.counted.clone();
        for counted in &merged.counted {
            let quota = limit.quotas.get(usize::from(counted.quota));
            if !quota.is_some_and(|quota| self.is_present(quota, counted.at)) {
                continue;
            }
            match held.iter_mut().find(|own| own.quota == counted.quota && own.at == counted.at) {
                Some(own) => own.amount = own.amount.max(counted.amount),
                None => held.push(*counted),
            }
        }
        held
    }

    /// Tells whether the servers hold less than this gateway knows that they held.
    pub(super) fn has_lost(state: &CounterState, merged: &Merged) -> bool {
        state.counted.iter().any(|own| {
            let same = |counted: &&Counted| counted.quota == own.quota && counted.at == own.at;
            merged.counted.iter().find(same).is_none_or(|counted| counted.amount < own.amount)
        })
    }

    /// The number of a sub-window on the servers.
    fn there(&self, quota: &Quota, at: u64) -> u64 {
        at.saturating_add_signed(self.shift(quota))
    }

    fn here(&self, quota: &Quota, at: u64) -> u64 {
        at.saturating_add_signed(self.shift(quota).saturating_neg())
    }

    /// Returns the sub-windows by which the servers' clock is ahead: the nearest whole number.
    fn shift(&self, quota: &Quota) -> i64 {
        let Window::Sliding(length) = quota.window else { return 0 };
        let length = i64::try_from(milliseconds(length)).unwrap_or(i64::MAX).max(1);
        let parts = i64::try_from(SUB_WINDOWS).unwrap_or(1);
        let half = if self.ahead < 0 { -length / 2 } else { length / 2 };
        (self.ahead.saturating_mul(parts).saturating_add(half)) / length
    }

    /// The oldest sub-window, or calendar window, that may still matter, on the servers.
    fn oldest(&self, quota: &Quota) -> u64 {
        match quota.window {
            Window::Sliding(length) => {
                let head = sub_window(self.steady, milliseconds(length));
                // one more than the ring: clocks differ
                self.there(quota, head.saturating_sub(SUB_WINDOWS + 1))
            }
            window => (self.steady / 1000).saturating_sub(2 * window.length().as_secs()),
        }
    }

    /// Tells whether a sub-window is at most one ahead of this gateway's clock.
    fn is_present(&self, quota: &Quota, at: u64) -> bool {
        match quota.window {
            Window::Sliding(length) => at <= sub_window(self.steady, milliseconds(length)) + 1,
            window => at <= self.steady / 1000 + window.length().as_secs(),
        }
    }
}

/// The key of a counter on the servers.
pub(super) fn key(counter: u128, sums: Sums) -> Vec<u8> {
    let prefix = match sums {
        Sums::OfAll => APART,
        Sums::OfThisGateway => TOGETHER,
    };
    format!("{prefix}{counter:032x}").into_bytes()
}

/// Returns the milliseconds for which the servers keep an unused counter.
pub(super) fn lifetime(limit: &Limit) -> u64 {
    let windows = limit.quotas.iter().map(|quota| quota.window.length());
    let longest = windows.chain(limit.burst.map(|burst| burst.per)).max().unwrap_or_default();
    let longest = milliseconds(longest);
    longest.saturating_add(longest / SUB_WINDOWS).saturating_add(SPARE)
}

pub(super) fn number(value: u64) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Tells that a key holds something else than a counter.
pub(super) fn is_other_type(answer: &Value) -> bool {
    let Value::Array(parts) = answer else { return false };
    parts.iter().take(2).any(|part| matches!(part, Value::BulkString(word) if word == b"type"))
}

pub(super) fn report_other_type(key: CounterKey, sums: Sums) {
    let key = self::key(key.0, sums);
    let key = String::from_utf8_lossy(&key);
    tracing::error!(target: "portcullis::throttle", %key, "a key of the shared counters holds something else than a counter: this gateway counts alone there; delete the key, or use another database");
}
