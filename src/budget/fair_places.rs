//! Gives each source a fair share of concurrent work: a number of places in all, and a smaller
//! number for each source.
//!
//! A request of a source that uses its share waits for one of that source's places, and delays no
//! other source. Its deadline is the caller's.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::budget::source::ClientSource;

/// Places, shared fairly.
#[derive(Debug)]
pub struct FairPlaces {
    all: Arc<Semaphore>,
    /// The most requests of one source that hold a place or wait for one.
    most_waiting: usize,
    sources: Mutex<HashMap<ClientSource, SourcePlaces>>,
}

/// The places of one source; it exists while a request uses it.
#[derive(Debug)]
struct SourcePlaces {
    places: Arc<Semaphore>,
    users: usize,
}

/// A place that is held; dropping it gives it back.
#[derive(Debug)]
pub struct HeldPlace {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _user: User,
}

/// A request that holds a place or waits for one.
#[derive(Debug)]
struct User {
    places: Arc<FairPlaces>,
    source: ClientSource,
}

/// Too many requests of one source wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

impl FairPlaces {
    /// `all` places; at most `most_waiting` requests of one source hold one or wait for one.
    pub fn new(all: usize, most_waiting: usize) -> Arc<Self> {
        let sources = Mutex::default();
        Arc::new(Self { all: Arc::new(Semaphore::new(all)), most_waiting, sources })
    }

    /// Waits for a place, of which the source has `each`. Dropping the future gives the wait up.
    pub async fn take(
        self: &Arc<Self>,
        source: ClientSource,
        each: usize,
    ) -> Result<HeldPlace, Crowded> {
        let (user, own) = self.enter(source, each)?;
        // the own share first: no source waits in the common queue for more than its share
        let own = own.acquire_owned().await.map_err(|_| Crowded)?;
        let all = Arc::clone(&self.all).acquire_owned().await.map_err(|_| Crowded)?;
        Ok(HeldPlace { _all: all, _own: own, _user: user })
    }

    fn enter(
        self: &Arc<Self>,
        source: ClientSource,
        each: usize,
    ) -> Result<(User, Arc<Semaphore>), Crowded> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || SourcePlaces { places: Arc::new(Semaphore::new(each)), users: 0 };
        let share = sources.entry(source).or_insert_with(new);
        if share.users >= self.most_waiting {
            return Err(Crowded);
        }
        share.users = share.users.saturating_add(1);
        Ok((User { places: Arc::clone(self), source }, Arc::clone(&share.places)))
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut sources = self.places.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = sources.get_mut(&self.source) {
            share.users = share.users.saturating_sub(1);
            if share.users == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const ONE: ClientSource = ClientSource::V4(1);
    const OTHER: ClientSource = ClientSource::V4(2);

    async fn at_once(
        places: &Arc<FairPlaces>,
        source: ClientSource,
        each: usize,
    ) -> Option<Result<HeldPlace, Crowded>> {
        timeout(Duration::ZERO, places.take(source, each)).await.ok()
    }

    #[tokio::test]
    async fn one_source_has_its_share_and_leaves_the_others_theirs() {
        let places = FairPlaces::new(8, 100);
        let first = at_once(&places, ONE, 2).await.unwrap().unwrap();
        let _second = at_once(&places, ONE, 2).await.unwrap().unwrap();
        assert!(at_once(&places, ONE, 2).await.is_none(), "waits for a place of its own");
        let _other = at_once(&places, OTHER, 2).await.unwrap().unwrap();
        drop(first);
        let _third = at_once(&places, ONE, 2).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_waits_is_bounded_and_who_leaves_is_forgotten() {
        let places = FairPlaces::new(8, 3);
        let held = at_once(&places, ONE, 1).await.unwrap().unwrap();
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(places.take(ONE, 1))).collect();
        for waits in &mut waiting {
            assert!(timeout(Duration::ZERO, waits).await.is_err());
        }
        assert_eq!(at_once(&places, ONE, 1).await.unwrap().unwrap_err(), Crowded);
        drop((waiting, held));
        assert_eq!(places.sources.lock().unwrap().len(), 0);
        assert_eq!((places.all.available_permits()), 8);
    }
}
