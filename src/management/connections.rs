//! Bounds the connections of the management listener.
//!
//! A connection that has not sent a whole request yet, or does not read its reply, costs its client
//! nothing. Many of them must not lock a probe out. If every place is taken, the gateway closes the
//! oldest idle connection of the address that holds the most places. Connections with a call in
//! progress stay, and a few more places are kept for probes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;

/// Scrapers and operators need few connections.
const MOST: usize = 64;

/// Places beyond these, for probes alone.
const FOR_PROBES: usize = 16;

/// The calls that a connection may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    Any,
    /// All others are busy, so only `/livez` and `/readyz` are answered.
    Probes,
}

/// The state of one connection: true while its call is being answered.
#[derive(Debug, Default)]
pub(super) struct Activity(AtomicBool);

/// Marks the connection as busy until it is dropped.
pub(super) struct Answering<'a>(&'a Activity);

impl Activity {
    pub(super) fn answering(&self) -> Answering<'_> {
        self.0.store(true, Ordering::Relaxed);
        Answering(self)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// The open connections, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Vec<OpenConnection>,
}

#[derive(Debug)]
struct OpenConnection {
    peer: IpAddr,
    activity: Arc<Activity>,
    task: AbortHandle,
}

impl Connections {
    /// Returns a place for one more connection; `None` if every connection is busy, those for
    /// probes too.
    pub(super) fn seat(&mut self) -> Option<Seat> {
        self.open.retain(|open| !open.task.is_finished());
        if self.open.len() < MOST || self.close_one() {
            return Some(Seat::Any);
        }
        (self.open.len() < MOST.saturating_add(FOR_PROBES)).then_some(Seat::Probes)
    }

    pub(super) fn add(&mut self, peer: IpAddr, activity: Arc<Activity>, task: AbortHandle) {
        self.open.push(OpenConnection { peer, activity, task });
    }

    /// Closes an idle connection; returns false if there is none.
    fn close_one(&mut self) -> bool {
        let waits = |open: &OpenConnection| !open.activity.0.load(Ordering::Relaxed);
        let mut held: HashMap<IpAddr, usize> = HashMap::new();
        for open in self.open.iter().filter(|open| waits(open)) {
            let count = held.entry(open.peer).or_default();
            *count = count.saturating_add(1);
        }
        let Some(most) = held.into_iter().max_by_key(|(_, count)| *count) else { return false };
        let oldest = self.open.iter().position(|open| waits(open) && open.peer == most.0);
        if let Some(position) = oldest {
            self.open.remove(position).task.abort();
        }
        oldest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    /// Connections, and the tasks that hold them.
    #[derive(Default)]
    struct Stage {
        connections: Connections,
        tasks: JoinSet<()>,
    }

    impl Stage {
        fn connect(&mut self, peer: IpAddr) -> (Seat, Arc<Activity>, AbortHandle) {
            let seat = self.connections.seat().expect("a place");
            let (activity, task) = (Arc::default(), self.tasks.spawn(std::future::pending()));
            self.connections.add(peer, Arc::clone(&activity), task.clone());
            (seat, activity, task)
        }
    }

    #[tokio::test]
    async fn who_holds_the_most_and_waits_goes_first() {
        let mut stage = Stage::default();
        let one = stage.connect(address(1));
        let crowd: Vec<_> = (1..MOST).map(|_| stage.connect(address(2))).collect();
        stage.connect(address(3));
        tokio::task::yield_now().await;
        assert!(crowd[0].2.is_finished() && !crowd[1].2.is_finished());
        assert!(!one.2.is_finished(), "the oldest of all is not of the crowd");
    }

    #[tokio::test]
    async fn the_busy_stay_and_probes_have_a_reserve() {
        let mut stage = Stage::default();
        let all: Vec<_> = (0..MOST).map(|_| stage.connect(address(1))).collect();
        let _busy: Vec<_> = all.iter().map(|(_, activity, _)| activity.answering()).collect();
        for _ in 0..FOR_PROBES {
            let (seat, activity, _) = stage.connect(address(1));
            assert_eq!(seat, Seat::Probes);
            std::mem::forget(activity.answering());
        }
        assert_eq!(stage.connections.seat(), None);
    }
}
