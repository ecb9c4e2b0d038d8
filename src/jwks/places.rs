//! The places for requests that wait for keys: bounded, and shared fairly among the addresses that they come from.
//!
//! One address may hold as many places as are still free. So a crowd behind one balancer gets half of them, a second
//! crowd half of the rest, and no number of addresses leaves the next one without a place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests that may wait for one key manager.
pub(super) const MOST_WAITING: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only those that hold a place, so never more than there are places.
    by_source: HashMap<IpAddr, usize>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'p> {
    places: &'p Places,
    source: Option<IpAddr>,
}

impl Places {
    /// Takes a place; `None` if too many are taken. The gateway's own questions have no source, and only the whole bound.
    pub(super) fn take(&self, source: Option<IpAddr>) -> Option<Place<'_>> {
        let source = source.map(network);
        let mut taken = self.lock();
        let free = MOST_WAITING.saturating_sub(taken.all);
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
        Some(Place { places: self, source })
    }

    pub(super) fn taken(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
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

/// One client: an IPv4 address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_address_never_takes_all() {
        let places = Places::default();
        let crowd: Vec<_> = std::iter::from_fn(|| places.take(address("192.0.2.1"))).collect();
        assert_eq!(crowd.len(), 500);
        let second: Vec<_> = std::iter::from_fn(|| places.take(address("192.0.2.2"))).collect();
        assert_eq!(second.len(), 250);
        assert!(
            places.take(address("198.51.100.7")).is_some(),
            "there is a place for the next one"
        );
        drop(crowd);
        assert_eq!(places.taken(), 250);
        assert!(places.take(address("192.0.2.1")).is_some());
    }

    #[test]
    fn a_thousand_in_all_whoever_they_are() {
        let places = Places::default();
        let own: Vec<_> = std::iter::from_fn(|| places.take(None)).collect();
        assert_eq!(own.len(), MOST_WAITING);
        assert!(places.take(address("192.0.2.1")).is_none());
        drop(own);
        let places = Places::default();
        let mut held = Vec::new();
        for host in 0..3000_u32 {
            held.extend(places.take(Some(IpAddr::V4((0x0A00_0000 | host).into()))));
        }
        assert_eq!(held.len(), MOST_WAITING);
        drop(held);
        assert_eq!((places.taken(), places.lock().by_source.len()), (0, 0));
    }

    #[test]
    fn a_network_of_sixty_four_bits_is_one_client() {
        let places = Places::default();
        let hosts =
            (0..2000_u32).map_while(|host| places.take(address(&format!("2001:db8::{host:x}"))));
        assert_eq!(hosts.collect::<Vec<_>>().len(), 500);
    }
}
