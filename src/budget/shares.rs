//! Places for requests that wait: bounded, and shared fairly among the addresses that they come
//! from.
//!
//! One address may hold as many places as are still free, and no request waits for a place. So a
//! crowd behind one balancer gets half of them, a second crowd half of the rest, and no number of
//! addresses leaves the next one without a place.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::budget::source::ClientSource;

/// A number of places, shared.
#[derive(Debug)]
pub struct Shares {
    all: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only sources that hold a place, so never more than there are places.
    by_source: HashMap<ClientSource, usize>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub struct SourceShare<'s> {
    shares: &'s Shares,
    source: Option<ClientSource>,
}

impl Shares {
    pub fn new(all: usize) -> Self {
        Self { all, taken: Mutex::default() }
    }

    /// Takes a place; `None` if too many are taken. The gateway's own questions have no source, so
    /// only the whole bound applies to them.
    pub fn take(&self, source: Option<ClientSource>) -> Option<SourceShare<'_>> {
        let mut taken = self.lock();
        let free = self.all.saturating_sub(taken.all);
        if free == 0 {
            return None;
        }
        if let Some(source) = source {
            let own = taken.by_source.entry(source).or_default();
            if *own >= free {
                return None;
            }
            *own = own.saturating_add(1);
        }
        taken.all = taken.all.saturating_add(1);
        Some(SourceShare { shares: self, source })
    }

    pub fn taken(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SourceShare<'_> {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        taken.all = taken.all.saturating_sub(1);
        let Some(source) = self.source else { return };
        if let Some(own) = taken.by_source.get_mut(&source) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_source.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1000;

    fn address(text: &str) -> ClientSource {
        ClientSource::of(text.parse().unwrap())
    }

    #[test]
    fn one_address_never_takes_all() {
        let places = Shares::new(MOST);
        let crowd: Vec<_> =
            std::iter::from_fn(|| places.take(Some(address("192.0.2.1")))).collect();
        assert_eq!(crowd.len(), 500);
        let second: Vec<_> =
            std::iter::from_fn(|| places.take(Some(address("192.0.2.2")))).collect();
        assert_eq!(second.len(), 250);
        assert!(
            places.take(Some(address("198.51.100.7"))).is_some(),
            "there is a place for the next one"
        );
        drop(crowd);
        assert_eq!(places.taken(), 250);
        assert!(places.take(Some(address("192.0.2.1"))).is_some());
    }

    #[test]
    fn a_thousand_in_all_whoever_they_are() {
        let places = Shares::new(MOST);
        let own: Vec<_> = std::iter::from_fn(|| places.take(None)).collect();
        assert_eq!(own.len(), MOST);
        assert!(places.take(Some(address("192.0.2.1"))).is_none());
        drop(own);
        let places = Shares::new(MOST);
        let mut held = Vec::new();
        for host in 0..3000_u32 {
            held.extend(places.take(Some(ClientSource::V4(0x0A00_0000 | host))));
        }
        assert_eq!(held.len(), MOST);
        drop(held);
        assert_eq!((places.taken(), places.lock().by_source.len()), (0, 0));
    }

    #[test]
    fn a_network_of_sixty_four_bits_is_one_client() {
        let places = Shares::new(MOST);
        let hosts = (0..2000_u32)
            .map_while(|host| places.take(Some(address(&format!("2001:db8::{host:x}")))));
        assert_eq!(hosts.collect::<Vec<_>>().len(), 500);
    }
}
