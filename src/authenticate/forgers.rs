//! Who sends forged tokens: each costs its sender a part of an allowance, so that a flood of them costs the gateway little.
//!
//! Decides whether a token of this source may still be verified. A source is a client's address (an IPv6 network of 64
//! bits, which is what one client has). Only a signature that was found bad is charged for; who never sent one is not
//! known here and waits for nothing. The allowance is a bucket that fills evenly over a minute. Tokens whose verdict is
//! remembered never come by: neighbours of a forger behind one address go on with the tokens that they have.
//!
//! Shared by all workers, because a client's connections are spread over them; looked at only where a signature would be
//! checked. Bounded: when it is full, a source that owes little is forgotten for a new one.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use crate::model::allowance::Debt;
use crate::model::clock::UnixSeconds;

/// Locks that share the sources, so that workers seldom meet.
const SHARDS: usize = 16;

/// Sources of one lock: about a million bytes for all.
const MOST_EACH: usize = 2048;

/// What is looked at when one has to go.
const CANDIDATES: usize = 8;

/// Where tokens come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    V4(u32),
    /// The first 64 bits.
    V6(u64),
}

type Shard = HashMap<Source, Debt, foldhash::fast::RandomState>;

/// All sources that owe something.
#[derive(Debug)]
pub struct Forgers {
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::quality::RandomState,
    known: AtomicUsize,
    forgotten: AtomicU64,
}

impl Source {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or_default())
            }
        }
    }
}

impl Default for Forgers {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            hasher: foldhash::quality::RandomState::default(),
            known: AtomicUsize::new(0),
            forgotten: AtomicU64::new(0),
        }
    }
}

impl Forgers {
    /// Seconds that a source has to wait before a token of it is verified again; `None`: not at all.
    pub fn wait(&self, source: Source, allowance: NonZeroU32, now: UnixSeconds) -> Option<u32> {
        if self.known.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let debt = self.shard(source)?.get(&source).copied()?;
        debt.wait(allowance, now)
    }

    /// A token of this source was forged.
    pub fn charge(&self, source: Source, allowance: NonZeroU32, now: UnixSeconds) {
        let Some(mut shard) = self.shard(source) else { return };
        if let Some(debt) = shard.get_mut(&source) {
            debt.add(allowance, now);
            return;
        }
        if shard.len() >= MOST_EACH {
            let least = shard
                .iter()
                .take(CANDIDATES)
                .min_by_key(|(_, debt)| debt.left(allowance, now))
                .map(|(source, _)| *source);
            if let Some(least) = least {
                shard.remove(&least);
                self.known.fetch_sub(1, Ordering::Relaxed);
                self.forgotten.fetch_add(1, Ordering::Relaxed);
            }
        }
        let mut debt = Debt::default();
        debt.add(allowance, now);
        shard.insert(source, debt);
        self.known.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets who has sent nothing forged for so long that nothing is owed, whatever the allowance.
    pub fn forget_settled(&self, now: UnixSeconds) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let before = shard.len();
            shard.retain(|_, debt| !debt.is_settled(now));
            self.known.fetch_sub(before.saturating_sub(shard.len()), Ordering::Relaxed);
        }
    }

    /// How many sources are known, and how many were forgotten for others.
    pub fn counts(&self) -> (u64, u64) {
        (self.known.load(Ordering::Relaxed) as u64, self.forgotten.load(Ordering::Relaxed))
    }

    fn shard(&self, source: Source) -> Option<MutexGuard<'_, Shard>> {
        let place = usize::try_from(self.hasher.hash_one(source) >> 48)
            .ok()?
            .checked_rem(self.shards.len())?;
        self.shards.get(place).map(lock)
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    fn allowance(tokens: u32) -> NonZeroU32 {
        NonZeroU32::new(tokens).unwrap()
    }

    #[test]
    fn a_client_is_an_address_or_a_network() {
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("2001:db8:1:2::1"), Source::V6(0x2001_0db8_0001_0002));
        assert_ne!(source("::c000:201"), source("192.0.2.1"));
    }

    #[test]
    fn an_allowance_is_used_up_and_comes_back() {
        let (forgers, one, other) = (Forgers::default(), source("192.0.2.1"), source("192.0.2.2"));
        let most = allowance(30);
        for at in 0..30 {
            assert_eq!(forgers.wait(one, most, UnixSeconds(1000)), None, "{at}");
            forgers.charge(one, most, UnixSeconds(1000));
        }
        assert_eq!(forgers.wait(one, most, UnixSeconds(1000)), Some(2), "half a token a second");
        assert_eq!(forgers.wait(other, most, UnixSeconds(1000)), None);
        assert_eq!(forgers.wait(one, most, UnixSeconds(1001)), Some(1));
        assert_eq!(forgers.wait(one, most, UnixSeconds(1002)), None);
        forgers.charge(one, most, UnixSeconds(1002));
        assert_eq!(forgers.wait(one, most, UnixSeconds(1002)), Some(2));
        assert_eq!(
            forgers.wait(one, most, UnixSeconds(900)),
            Some(2),
            "a clock that goes back forgives nothing"
        );
        assert_eq!(forgers.counts(), (1, 0));
        forgers.forget_settled(UnixSeconds(1062));
        assert_eq!(forgers.counts(), (1, 0));
        forgers.forget_settled(UnixSeconds(1063));
        assert_eq!(forgers.counts(), (0, 0));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_those_who_owe_most() {
        let (forgers, most) = (Forgers::default(), allowance(5));
        let heavy = source("192.0.2.1");
        for _ in 0..5 {
            forgers.charge(heavy, most, UnixSeconds(0));
        }
        for address in 0..100_000_u32 {
            forgers.charge(Source::V4(0x0A00_0000 | address), most, UnixSeconds(0));
        }
        let (known, forgotten) = forgers.counts();
        assert_eq!(
            (known, forgotten),
            ((SHARDS * MOST_EACH) as u64, 100_001 - (SHARDS * MOST_EACH) as u64)
        );
        assert!(
            forgers.wait(heavy, most, UnixSeconds(0)).is_some(),
            "many small ones do not wash a large debt away"
        );
    }

    proptest! {
        /// However the charges fall, no more tokens are verified than the allowance and what came back meanwhile.
        #[test]
        fn never_more_than_the_allowance(pauses in prop::collection::vec(0_u64..4, 1..400), tokens in 1_u32..50) {
            let (forgers, one, most) = (Forgers::default(), source("2001:db8::1"), allowance(tokens));
            let (mut now, mut verified) = (0_u64, 0_u64);
            for pause in pauses {
                now += pause;
                if forgers.wait(one, most, UnixSeconds(now)).is_none() {
                    verified += 1;
                    forgers.charge(one, most, UnixSeconds(now));
                }
                prop_assert!(verified * 60 <= (u64::from(tokens) * 60) + now * u64::from(tokens));
            }
        }
    }
}
