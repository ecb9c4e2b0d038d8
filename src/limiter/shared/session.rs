//! One life of the connections: rounds that compare counters, and requests that the servers decide
//! on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::limiter::burst::milliseconds;
use crate::limiter::calendar;
use crate::limiter::counters::{CounterClaim, Counters};
use crate::limiter::key::CounterKey;
use crate::limiter::limit::{Follower, Limit};
use crate::limiter::shared::error::CounterError;
use crate::limiter::shared::exact::{OwnedClaim, UndecidedRequest};
use crate::limiter::shared::known::{AllKnown, CounterState};
use crate::limiter::shared::merge::{Comparison, Merged, Sums, is_other_type, report_other_type};
use crate::limiter::shared::servers::Servers;
use crate::limiter::shared::status::SharedStatus;
use crate::limiter::sliding::sub_window;
use crate::limiter::time::CountingTime;
use crate::model::clock::Clock;
use crate::model::policy::{QuotaUnit, Window};

/// Counters in one call. Where requests wait for the servers too, a call is shorter.
const MERGES: usize = 256;
const MERGES_BETWEEN_REQUESTS: usize = 16;

/// Requests in one call.
const REQUESTS: usize = 64;

/// The time between two signs of life that the servers are asked for: if there is nothing to send,
/// and always where they decide on requests.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Counters that the table has forgotten are forgotten here this often.
const FORGETTING: Duration = Duration::from_mins(1);

/// The smallest difference of the clocks that is adopted.
const CLOCK_STEP: i64 = 250;

/// The state that outlives a connection.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) known: AllKnown,
    pending: HashMap<CounterKey, Pending>,
    gateway: String,
    number: u64,
    /// The round that was not answered. The servers may have counted it, so it is sent again
    /// unchanged, and counts once.
    doubtful: Option<Told>,
    /// The mark by which servers that were emptied in between are recognized.
    pub(super) epoch: Option<Vec<u8>>,
}

/// One round, as it was sent to the servers.
#[derive(Debug)]
struct Told {
    round: Comparison,
    states: Vec<CounterState>,
}

/// A counter with news for the servers.
#[derive(Debug)]
struct Pending {
    state: CounterState,
    due: Instant,
}

/// The parts that a session works with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'p> {
    pub(super) counters: &'p Counters,
    pub(super) status: &'p SharedStatus,
    pub(super) clock: &'p Arc<dyn Clock>,
    pub(super) sums: Sums,
    pub(super) sync_interval: Duration,
    /// The servers, as the log names them.
    pub(super) name: &'p str,
}

pub(super) struct CounterSession<'p> {
    parts: Parts<'p>,
    servers: Servers,
    memory: &'p mut Memory,
    /// The servers' clock, less this gateway's, in ms.
    ahead: i64,
    forget: Instant,
}

impl Memory {
    /// Takes the counts of a file, or of an earlier configuration, as known to the servers.
    pub(super) fn begin(counters: &Counters, gateway: String) -> Self {
        let mut known = AllKnown::default();
        counters.each(|counter| known.assume(&CounterState::of(counter)));
        Self { known, pending: HashMap::new(), gateway, number: 0, doubtful: None, epoch: None }
    }

    /// Tells the servers every count once more, because they were emptied. Nobody else knows what
    /// this gateway has let through.
    fn tell_all_again(&mut self, counters: &Counters) {
        self.known.clear();
        let due = Instant::now();
        counters.each(|counter| {
            let state = CounterState::of(counter);
            self.pending.insert(state.key, Pending { state, due });
        });
    }
}

impl Parts<'_> {
    fn now(&self) -> CountingTime {
        self.counters.time(self.clock.moment(), self.clock.milliseconds())
    }
}

impl<'p> CounterSession<'p> {
    pub(super) async fn begin(
        parts: Parts<'p>,
        mut servers: Servers,
        memory: &'p mut Memory,
    ) -> Result<Self, CounterError> {
        let epoch = servers.epoch().await?;
        if parts.sums == Sums::OfThisGateway
            && memory.epoch.as_ref().is_some_and(|known| *known != epoch)
        {
            memory.tell_all_again(parts.counters);
        }
        memory.epoch = Some(epoch);
        let time = servers.time().await?;
        let ahead = difference(time, parts.now().steady);
        let forget = Instant::now() + FORGETTING;
        let mut session = Self { parts, servers, memory, ahead, forget };
        session.settle().await?;
        Ok(session)
    }

    /// Works until the servers fail.
    pub(super) async fn run(
        &mut self,
        requests: &mut mpsc::Receiver<UndecidedRequest>,
    ) -> CounterError {
        let Err(error) = self.work(requests).await;
        error
    }

    async fn work(
        &mut self,
        requests: &mut mpsc::Receiver<UndecidedRequest>,
    ) -> Result<std::convert::Infallible, CounterError> {
        let mut tick = interval(self.parts.sync_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(REQUESTS);
        let mut alive = Instant::now();
        loop {
            tokio::select! {
                biased;
                // it is seldom ready, and a stream of requests must not keep it from coming
                _ = tick.tick() => {
                    let told = self.tell().await?;
                    // what is told to emptied servers does not show that they were emptied
                    if told > 0 && self.parts.sums == Sums::OfAll {
                        alive = Instant::now();
                    } else if alive.elapsed() >= SIGN_OF_LIFE {
                        self.sign_of_life().await?;
                        alive = Instant::now();
                    }
                    self.forget();
                }
                received = requests.recv_many(&mut batch, REQUESTS) => {
                    if received == 0 {
                        // the owner is about to end this task
                        return std::future::pending().await;
                    }
                    self.decide(&mut batch).await?;
                }
            }
        }
    }

    /// Asks for the time; and for the epoch, where counts would otherwise be missed.
    async fn sign_of_life(&mut self) -> Result<(), CounterError> {
        let began = Instant::now();
        let time = self.servers.time().await?;
        self.parts.status.answered(self.parts.name, 0, began.elapsed());
        self.set_clock(time);
        if self.parts.sums == Sums::OfThisGateway {
            let epoch = self.servers.epoch().await?;
            if self.memory.epoch.as_ref() != Some(&epoch) {
                self.memory.epoch = Some(epoch);
                self.memory.tell_all_again(self.parts.counters);
            }
        }
        Ok(())
    }

    /// Sends the changed counters that are due; returns their number.
    async fn tell(&mut self) -> Result<usize, CounterError> {
        let now = Instant::now();
        let pending = &mut self.memory.pending;
        let usual = self.parts.sync_interval;
        self.parts.counters.changed(Follower::Shared, |counter| {
            let state = CounterState::of(counter);
            let wait =
                state.limit.sync_interval.map_or(Duration::ZERO, |own| own.saturating_sub(usual));
            let entry = pending.entry(state.key);
            let due = match &entry {
                std::collections::hash_map::Entry::Occupied(old) => old.get().due,
                std::collections::hash_map::Entry::Vacant(_) => now + wait,
            };
            entry.insert_entry(Pending { state, due });
        });
        let due = pending.iter().filter(|(_, pending)| pending.due <= now);
        let mut due: Vec<CounterKey> = due.map(|(key, _)| *key).collect();
        let most = match self.parts.sums {
            Sums::OfAll => usize::MAX,
            Sums::OfThisGateway => MERGES_BETWEEN_REQUESTS,
        };
        due.truncate(most);
        let mut told = 0;
        for keys in due.chunks(MERGES) {
            let states: Vec<_> = keys
                .iter()
                .filter_map(|key| self.memory.pending.get(key))
                .map(|pending| pending.state.clone())
                .filter(|state| !self.memory.known.of(state.key).is_told(state))
                .collect();
            told += states.len();
            if !states.is_empty() {
                self.merge(states).await?;
            }
            for key in keys {
                self.memory.pending.remove(key);
            }
        }
        self.parts.status.known(self.memory.known.len());
        Ok(told)
    }

    /// Compares some counters with the servers.
    async fn merge(&mut self, states: Vec<CounterState>) -> Result<(), CounterError> {
        let now = self.parts.now();
        self.memory.number = now.wall.max(self.memory.number.saturating_add(1));
        let round = Comparison {
            gateway: self.memory.gateway.clone(),
            number: self.memory.number,
            ahead: self.ahead,
            steady: now.steady,
            sums: self.parts.sums,
        };
        self.memory.doubtful = Some(Told { round, states });
        self.settle().await
    }

    /// Runs the round that was not answered yet.
    async fn settle(&mut self) -> Result<(), CounterError> {
        let Some(Told { round, states }) = &self.memory.doubtful else { return Ok(()) };
        let known = &mut self.memory.known;
        let calls: Vec<_> =
            states.iter().map(|state| round.call(state, known.of(state.key))).collect();
        let began = Instant::now();
        let answers = self.servers.run(&calls).await?;
        self.parts.status.answered(self.parts.name, calls.len(), began.elapsed());
        let Some(Told { round, states }) = self.memory.doubtful.take() else { return Ok(()) };
        let mut time = None;
        for (state, answer) in states.iter().zip(&answers) {
            match round.read(&state.limit, answer) {
                Some(merged) => {
                    time = Some(merged.now);
                    self.take_over(&round, state, &merged);
                }
                None if is_other_type(answer) => report_other_type(state.key, round.sums),
                None => return Err(CounterError::Shape("a script")),
            }
        }
        if let Some(time) = time {
            self.set_clock(time);
        }
        Ok(())
    }

    fn take_over(&mut self, round: &Comparison, state: &CounterState, merged: &Merged) {
        let known = self.memory.known.of(state.key);
        if round.sums == Sums::OfThisGateway {
            known.told(state.spent, state.counted.clone());
            return;
        }
        let has_lost = Comparison::has_lost(state, merged);
        known.told(state.spent, round.held(&state.limit, state, merged));
        known.lost = has_lost;
        let claim = CounterClaim { limit: &state.limit, key: state.key };
        let now = self.parts.now();
        let others = round.of_others(&state.limit, state, merged);
        if !others.is_empty() {
            self.parts.counters.absorb(claim, &others, now);
        }
        if state.limit.burst.is_some() {
            self.parts.counters.absorb_burst(claim, merged.burst, state.spent, now);
        }
    }

    /// Lets the servers decide on some requests.
    async fn decide(&mut self, batch: &mut Vec<UndecidedRequest>) -> Result<(), CounterError> {
        // those that wait no longer are counted here
        batch.retain(|undecided| !undecided.answer.is_closed());
        let now = self.parts.now();
        let calls: Vec<_> =
            batch.iter().map(|undecided| undecided.call(now, self.ahead_of_wall(now))).collect();
        if calls.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let answers = self.servers.run(&calls).await?;
        self.parts.status.answered(self.parts.name, 0, began.elapsed());
        for (undecided, answer) in batch.drain(..).zip(&answers) {
            let Some(decision) = undecided.read(answer) else {
                if is_other_type(answer) {
                    undecided
                        .claims
                        .iter()
                        .for_each(|claim| report_other_type(claim.key, self.parts.sums));
                    continue;
                }
                return Err(CounterError::Shape("a script"));
            };
            let passed = decision.is_ok();
            if passed {
                self.note(&undecided.claims, now);
            }
            let claims = undecided.claims;
            if undecided.answer.send(decision).is_ok() {
                self.parts.status.count_decided();
                if passed {
                    let claims: Vec<_> = claims
                        .iter()
                        .map(|claim| CounterClaim { limit: &claim.limit, key: claim.key })
                        .collect();
                    self.parts.counters.record(&claims, now);
                }
            }
        }
        Ok(())
    }

    /// Notes that the servers have counted a request, so that it is not sent again.
    fn note(&mut self, claims: &[OwnedClaim], now: CountingTime) {
        for OwnedClaim { limit, key } in claims {
            let known = self.memory.known.of(*key);
            for (position, at) in current(limit, now) {
                known.add(position, at, 1);
            }
            if limit.burst.is_some() {
                known.add_burst();
            }
        }
    }

    fn set_clock(&mut self, time: u64) {
        let ahead = difference(time, self.parts.now().steady);
        if ahead.abs_diff(self.ahead) > CLOCK_STEP.unsigned_abs() {
            self.ahead = ahead;
        }
    }

    fn ahead_of_wall(&self, now: CountingTime) -> i64 {
        self.ahead.saturating_add(difference(now.steady, now.wall))
    }

    fn forget(&mut self) {
        if Instant::now() < self.forget {
            return;
        }
        self.forget = Instant::now() + FORGETTING;
        self.memory.known.keep(|key| self.parts.counters.has(key));
    }
}

/// Returns the windows of requests in which a moment lies.
fn current(limit: &Limit, now: CountingTime) -> impl Iterator<Item = (u8, u64)> {
    let all = (0_u8..).zip(&limit.quotas);
    all.filter(|(_, quota)| quota.unit == QuotaUnit::Requests).map(move |(position, quota)| {
        let at = match quota.window {
            Window::Sliding(length) => sub_window(now.steady, milliseconds(length)),
            window => calendar::bounds(now.wall, window).0,
        };
        (position, at)
    })
}

fn difference(one: u64, other: u64) -> i64 {
    i64::try_from(i128::from(one) - i128::from(other)).unwrap_or_default()
}
