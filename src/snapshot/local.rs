//! One worker's view of the snapshot: reference counts that only this thread touches.
//!
//! A request takes one `Rc` of the view and lets it go before it waits for a backend, so an old generation (and its
//! directory) lives no longer than the decisions made on it. What a request needs to its end, it takes as [`LocalApi`].

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::cache::Cache;

use crate::model::names::ApiIndex;
use crate::snapshot::backend::TargetAddresses;
use crate::snapshot::{CompiledApi, Snapshot, Snapshots};

/// A worker's handle on the snapshot in use.
#[derive(Debug)]
pub struct LocalSnapshots {
    cache: RefCell<Cache<SharedCell, Arc<Snapshot>>>,
    current: RefCell<Rc<LocalSnapshot>>,
}

/// A snapshot as one worker holds it.
#[derive(Debug)]
pub struct LocalSnapshot {
    snapshot: Arc<Snapshot>,
    apis: Box<[OnceCell<Rc<LocalApi>>]>,
}

/// An API as one worker holds it, with the worker's own turns.
#[derive(Debug)]
pub struct LocalApi {
    api: Arc<CompiledApi>,
    pub production_turns: Turns,
    pub sandbox_turns: Turns,
}

/// One worker's count of its requests to a backend, and what of them it may send again.
#[derive(Debug, Default)]
pub struct Turns {
    count: Cell<usize>,
    /// Retries that are left, in thousandths.
    budget: Cell<u32>,
    /// In milliseconds: the last request.
    last: Cell<u64>,
    /// The addresses of the backend's names, as this worker resolved them last.
    resolved: RefCell<Option<Rc<TargetAddresses>>>,
}

impl Turns {
    /// Retries that may come at once, and that are there before the first request.
    const MOST_BUDGET: u32 = 100_000;
    const FIRST_BUDGET: u32 = 10_000;

    /// The next turn; `budget` is what each request adds, in thousandths of a retry. A second adds one more, so that a
    /// quiet API may retry too.
    pub fn next(&self, budget: u16, now: u64) -> usize {
        let count = self.count.get();
        if count == 0 {
            self.budget.set(Self::FIRST_BUDGET);
        }
        self.count.set(count.wrapping_add(1));
        let passed = u32::try_from(now.saturating_sub(self.last.replace(now))).unwrap_or(u32::MAX);
        let earned = if count == 0 {
            0
        } else {
            passed.min(Self::FIRST_BUDGET).saturating_add(u32::from(budget))
        };
        self.budget.set(self.budget.get().saturating_add(earned).min(Self::MOST_BUDGET));
        count
    }

    /// The backend's addresses; `resolve` says them where the worker's count of changed names is another one than it was.
    pub fn endpoints(
        &self,
        changes: u64,
        resolve: impl FnOnce() -> TargetAddresses,
    ) -> Rc<TargetAddresses> {
        let mut resolved = self.resolved.borrow_mut();
        match &*resolved {
            Some(endpoints) if endpoints.changes == changes => Rc::clone(endpoints),
            _ => Rc::clone(resolved.insert(Rc::new(resolve()))),
        }
    }

    /// Whether one more retry is within the budget; takes it.
    pub fn retry(&self) -> bool {
        let left = self.budget.get().checked_sub(1000);
        if let Some(left) = left {
            self.budget.set(left);
        }
        left.is_some()
    }
}

#[derive(Debug, Clone)]
struct SharedCell(Arc<Snapshots>);

impl Deref for SharedCell {
    type Target = arc_swap::ArcSwap<Snapshot>;

    fn deref(&self) -> &Self::Target {
        self.0.cell()
    }
}

impl LocalSnapshots {
    pub fn new(snapshots: Arc<Snapshots>) -> Self {
        let snapshot = snapshots.load();
        Self {
            cache: RefCell::new(Cache::new(SharedCell(snapshots))),
            current: RefCell::new(Rc::new(LocalSnapshot::new(snapshot))),
        }
    }

    /// The snapshot in use: one relaxed load when it has not changed.
    pub fn load(&self) -> Rc<LocalSnapshot> {
        let mut cache = self.cache.borrow_mut();
        let newest = cache.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(newest, &current.snapshot) {
            *current = Rc::new(LocalSnapshot::new(Arc::clone(newest)));
        }
        Rc::clone(&current)
    }
}

impl LocalSnapshot {
    fn new(snapshot: Arc<Snapshot>) -> Self {
        let apis = snapshot.apis.iter().map(|_| OnceCell::new()).collect();
        Self { snapshot, apis }
    }

    /// This worker's handle on an API of the snapshot.
    pub fn local_api(&self, index: ApiIndex) -> Option<Rc<LocalApi>> {
        let api = self.snapshot.api(index)?;
        let local = self
            .apis
            .get(index.position())?
            .get_or_init(|| Rc::new(LocalApi::new(Arc::clone(api))));
        Some(Rc::clone(local))
    }
}

impl Deref for LocalSnapshot {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl LocalApi {
    fn new(api: Arc<CompiledApi>) -> Self {
        Self { api, production_turns: Turns::default(), sandbox_turns: Turns::default() }
    }
}

impl Deref for LocalApi {
    type Target = CompiledApi;

    fn deref(&self) -> &CompiledApi {
        &self.api
    }
}
