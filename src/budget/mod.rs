//! Limits, for each client address, the work that a client can cause at no cost to itself.
//!
//! One mechanism covers all work that costs the gateway or a server something before it is known
//! whether a client means well: invalid tokens, tokens that no server has called active yet, new
//! organizations, places in a queue. Each source (see [`source`]) has a leaky bucket of its own, so
//! that a source that uses its budget up stops only itself. Time is monotonic: setting a clock
//! neither forgives nor locks out.
//!
//! Clients behind one address share its budget, unless the address is in `trusted_proxies`. If
//! another address names its clients all the same, clients without a charge may use a small reserve
//! of the address. So a forger behind a balancer that the file does not list does not lock out its
//! neighbors, and inventing clients gains a quarter at most.
//!
//! All workers share the budgets and look at them only before a cost. The table is bounded: when it
//! is full, a source that owes little is forgotten for a new one.
//!
//! The walk through the files: [`descriptors`] (those of the process), [`source`] (the client that
//! is charged), [`leaky_bucket`] (one debt), [`fair_places`] (a fair share of concurrent work, with
//! waiting), [`shares`] (a fair share of the places to wait in), [`unlisted`] (addresses that look
//! like proxies).

pub mod descriptors;
pub mod fair_places;
pub mod leaky_bucket;
pub mod shares;
pub mod source;
pub mod unlisted;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use crate::budget::leaky_bucket::LeakyBucket;
pub use crate::budget::shares::Shares;
pub use crate::budget::source::{ClaimedClient, ClientSource};
use crate::model::clock::Moment;
use crate::model::rate::Rate;

/// Locks that share the sources, so that workers seldom meet.
const SHARDS: usize = 16;

/// Sources of one lock: about 1.3 MB for all.
const MOST_EACH: usize = 2048;

/// The number of sources that are compared when one must be forgotten.
const CANDIDATES: usize = 8;

type Shard = HashMap<ClientSource, Debt, foldhash::fast::RandomState>;

/// The debt of a source: of its budget, and of its reserve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Debt {
    budget: LeakyBucket,
    reserve: LeakyBucket,
}

/// The budgets of all sources for one purpose.
#[derive(Debug)]
pub struct SourceBudgets {
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::quality::RandomState,
    /// The latest moment that any worker has reported: their coarse clocks differ by a tick.
    latest: AtomicU64,
    known: AtomicUsize,
    forgotten: AtomicU64,
    refused: AtomicU64,
}

/// The part of a budget that a charge was taken from; needed to give it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Charge {
    Budget,
    Reserve,
}

/// The budget of a client is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Seconds until one more request may be made.
    pub retry_after: u32,
}

/// The numbers for `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetStatus {
    /// Sources that owe something.
    pub known: u64,
    /// Sources that were forgotten for others.
    pub forgotten: u64,
    /// Requests that were refused.
    pub refused: u64,
}

impl BudgetStatus {
    /// Adds two tables.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            known: self.known.saturating_add(other.known),
            forgotten: self.forgotten.saturating_add(other.forgotten),
            refused: self.refused.saturating_add(other.refused),
        }
    }
}

impl Default for SourceBudgets {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: foldhash::quality::RandomState::default(),
            latest: AtomicU64::new(0),
            known: AtomicUsize::new(0),
            forgotten: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

impl SourceBudgets {
    /// Tells whether a client may go on; charges nothing.
    pub fn check(&self, client: ClaimedClient, rate: Rate, now: Moment) -> Result<(), Exhausted> {
        self.room(client, rate, now).map(|_| ()).inspect_err(|_| self.refuse())
    }

    /// Looks without counting.
    pub fn look(&self, client: ClaimedClient, rate: Rate, now: Moment) -> Result<(), Exhausted> {
        self.room(client, rate, now).map(|_| ())
    }

    /// Charges a client for an act.
    pub fn charge(&self, client: ClaimedClient, rate: Rate, now: Moment) -> Charge {
        let from = self.room(client, rate, now).unwrap_or(Charge::Budget);
        self.add(client, from, rate, now);
        from
    }

    /// Charges a client for an act that follows, if its budget has room.
    pub fn try_charge(
        &self,
        client: ClaimedClient,
        rate: Rate,
        now: Moment,
    ) -> Result<Charge, Exhausted> {
        let from = self.room(client, rate, now).inspect_err(|_| self.refuse())?;
        self.add(client, from, rate, now);
        Ok(from)
    }

    /// Gives a charge back, because the client meant well.
    pub fn refund(&self, client: ClaimedClient, charge: Charge, rate: Rate) {
        self.change(client.source, |debt| debt.part(charge).take_back(charge.rate(rate)));
        if let Some(claimed) = client.claimed {
            self.change(claimed, |debt| debt.budget.take_back(rate));
        }
    }

    /// Forgets the sources that owe nothing any more.
    pub fn forget_settled(&self, now: Moment) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let before = shard.len();
            shard.retain(|_, debt| !(debt.budget.is_empty(now) && debt.reserve.is_empty(now)));
            self.known.fetch_sub(before.saturating_sub(shard.len()), Ordering::Relaxed);
        }
    }

    pub fn status(&self) -> BudgetStatus {
        BudgetStatus {
            known: self.known.load(Ordering::Relaxed) as u64,
            forgotten: self.forgotten.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// The part of the budget that has room for one more request of this client.
    fn room(&self, client: ClaimedClient, rate: Rate, now: Moment) -> Result<Charge, Exhausted> {
        let Some(debt) = self.debt(client.source) else { return Ok(Charge::Budget) };
        let now = self.latest(now);
        let Some(retry_after) = debt.budget.wait(rate, now) else { return Ok(Charge::Budget) };
        let Some(claimed) = client.claimed else { return Err(Exhausted { retry_after }) };
        let clean = self.debt(claimed).is_none_or(|debt| debt.budget.wait(rate, now).is_none());
        if clean && debt.reserve.wait(rate.quarter(), now).is_none() {
            Ok(Charge::Reserve)
        } else {
            Err(Exhausted { retry_after })
        }
    }

    fn add(&self, client: ClaimedClient, from: Charge, rate: Rate, now: Moment) {
        let now = self.latest(now);
        self.change(client.source, |debt| debt.part(from).add(from.rate(rate), now));
        if let Some(claimed) = client.claimed {
            self.change(claimed, |debt| debt.budget.add(rate, now));
        }
    }

    fn latest(&self, now: Moment) -> Moment {
        Moment(self.latest.fetch_max(now.0, Ordering::Relaxed).max(now.0))
    }

    /// Returns `None` for an unknown source, without a lock while none is known.
    fn debt(&self, source: ClientSource) -> Option<Debt> {
        if self.known.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.shard(source)?.get(&source).copied()
    }

    fn change(&self, source: ClientSource, change: impl FnOnce(&mut Debt)) {
        let Some(mut shard) = self.shard(source) else { return };
        if let Some(debt) = shard.get_mut(&source) {
            change(debt);
            return;
        }
        if shard.len() >= MOST_EACH {
            let least = shard.iter().take(CANDIDATES).min_by_key(|(_, debt)| **debt);
            if let Some(least) = least.map(|(source, _)| *source) {
                shard.remove(&least);
                self.known.fetch_sub(1, Ordering::Relaxed);
                self.forgotten.fetch_add(1, Ordering::Relaxed);
            }
        }
        change(shard.entry(source).or_default());
        self.known.fetch_add(1, Ordering::Relaxed);
    }

    fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn shard(&self, source: ClientSource) -> Option<MutexGuard<'_, Shard>> {
        let place = usize::try_from(self.hasher.hash_one(source) >> 48)
            .ok()?
            .checked_rem(self.shards.len())?;
        self.shards.get(place).map(lock)
    }
}

impl Charge {
    /// The rate at which a charge is forgiven.
    fn rate(self, rate: Rate) -> Rate {
        match self {
            Self::Budget => rate,
            Self::Reserve => rate.quarter(),
        }
    }
}

impl Debt {
    fn part(&mut self, charge: Charge) -> &mut LeakyBucket {
        match charge {
            Charge::Budget => &mut self.budget,
            Charge::Reserve => &mut self.reserve,
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
