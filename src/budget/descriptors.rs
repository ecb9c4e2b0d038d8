//! The file descriptors of the process: a share for clients, a share for backends, and a reserve
//! for everything else.
//!
//! Neither side can take descriptors of the other, and the management listener, files and key
//! managers always find the reserve. Within the backends' share, the first request of a client
//! connection comes before its others. Further streams of HTTP/2 clients open connections only
//! while half of the share is free, and one place for each open client connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The smallest reserve: as many as the management listener's connections.
const LEAST_RESERVE: usize = 64;

/// The reserve is this part of a large limit.
const RESERVE_SHARE: usize = 16;

/// The reserve is never more than this part of a small limit.
const MOST_RESERVE_SHARE: usize = 4;

/// The division of a process's descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Division {
    pub clients: usize,
    pub backends: usize,
}

impl Division {
    /// Divides `limit` descriptors, of which the gateway itself needs `own`, for `wanted` client
    /// connections. Each may need one to a backend.
    pub fn of(limit: usize, own: usize, wanted: usize) -> Self {
        let reserve = (limit / RESERVE_SHARE).max(LEAST_RESERVE).min(limit / MOST_RESERVE_SHARE);
        let rest = limit.saturating_sub(reserve).saturating_sub(own).max(2);
        let clients = wanted.min(rest / 2).max(1);
        Self { clients, backends: rest.saturating_sub(clients) }
    }

    /// The limit with which `wanted` connections can be held.
    pub fn limit_for(own: usize, wanted: usize) -> usize {
        let used = wanted.saturating_mul(2).saturating_add(own);
        // the reserve is a part of the result
        let large = used
            .saturating_mul(RESERVE_SHARE)
            .checked_div(RESERVE_SHARE.saturating_sub(1))
            .unwrap_or(used);
        large.max(used.saturating_add(LEAST_RESERVE)).saturating_add(1)
    }
}

/// The shares of all workers.
#[derive(Debug)]
pub struct Descriptors {
    clients: DescriptorShare,
    backends: DescriptorShare,
}

#[derive(Debug)]
struct DescriptorShare {
    most: AtomicUsize,
    taken: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Clients,
    Backends,
}

/// One descriptor, given back when it is dropped.
#[derive(Debug)]
pub struct Descriptor {
    of: Arc<Descriptors>,
    side: Side,
}

impl Descriptors {
    pub fn new(division: Division) -> Self {
        let share =
            |most| DescriptorShare { most: AtomicUsize::new(most), taken: AtomicUsize::new(0) };
        Self { clients: share(division.clients), backends: share(division.backends) }
    }

    /// Divides anew, for a reload. Descriptors in use stay in use.
    pub fn divide(&self, division: Division) {
        self.clients.most.store(division.clients, Ordering::Relaxed);
        self.backends.most.store(division.backends, Ordering::Relaxed);
    }

    /// Takes a descriptor for a client's connection.
    pub fn client(self: &Arc<Self>) -> Option<Descriptor> {
        self.take(Side::Clients, 0)
    }

    /// Takes a descriptor for a connection to a backend. `neighbors` are the other requests in
    /// flight on the same client connection.
    pub fn backend(self: &Arc<Self>, neighbors: usize) -> Option<Descriptor> {
        let kept_free = if neighbors == 0 {
            0
        } else {
            let half = self.backends.most.load(Ordering::Relaxed) / 2;
            half.max(self.clients.taken.load(Ordering::Relaxed))
        };
        self.take(Side::Backends, kept_free)
    }

    fn take(self: &Arc<Self>, side: Side, kept_free: usize) -> Option<Descriptor> {
        let share = self.share(side);
        let before = share.taken.fetch_add(1, Ordering::Relaxed);
        // a request that does not get it gives it back
        let taken = Descriptor { of: Arc::clone(self), side };
        let free = share.most.load(Ordering::Relaxed).saturating_sub(before);
        (free > kept_free).then_some(taken)
    }

    fn share(&self, side: Side) -> &DescriptorShare {
        match side {
            Side::Clients => &self.clients,
            Side::Backends => &self.backends,
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.of.share(self.side).taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_side_takes_the_reserve_or_the_others_share() {
        for (limit, own) in [(256, 60), (1024, 60), (20_000, 100), (1_048_576, 300)] {
            let Division { clients, backends } = Division::of(limit, own, 20_000);
            let reserve = limit - own - clients - backends;
            assert!(reserve >= 64, "{limit}: {reserve}");
            assert!(clients <= backends && clients <= 20_000, "{limit}: {clients} {backends}");
        }
        assert_eq!(Division::of(1_048_576, 300, 20_000).clients, 20_000);
        let small = Division::of(16, 60, 20_000);
        assert_eq!((small.clients, small.backends), (1, 1), "it serves all the same");
    }

    #[test]
    fn the_limit_that_is_recommended_is_enough_and_hardly_more() {
        for (own, wanted) in [(60, 100), (60, 20_000), (300, 1_000_000)] {
            let limit = Division::limit_for(own, wanted);
            assert_eq!(Division::of(limit, own, wanted).clients, wanted);
            assert!(Division::of(limit - limit / 20, own, wanted).clients < wanted);
        }
    }

    #[test]
    fn one_http2_client_leaves_half_of_the_backends_connections_to_the_others() {
        let all = Arc::new(Descriptors::new(Division { clients: 100, backends: 100 }));
        let streams: Vec<_> = (0..).map_while(|neighbors| all.backend(neighbors)).collect();
        assert_eq!(streams.len(), 50);
        let others: Vec<_> = std::iter::from_fn(|| all.backend(0)).collect();
        assert_eq!(others.len(), 50, "the first request of each connection");
        drop(streams);
        assert!(all.backend(0).is_some());
        assert!(all.backend(1).is_none(), "half is not free");
        drop(others);
        let clients: Vec<_> = std::iter::from_fn(|| all.client()).collect();
        assert_eq!(clients.len(), 100);
        assert!(all.backend(1).is_none(), "every client may need one");
        all.divide(Division { clients: 100, backends: 300 });
        assert!(all.backend(1).is_some());
    }
}
