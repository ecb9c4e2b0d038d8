//! One worker's view of the snapshot: reference counts that only this thread touches.
//!
//! A request takes one `Rc` of the view and drops it before it waits for a backend. So an old
//! generation (and its directory) lives no longer than the decisions made on it. The facts that a
//! request needs to its end are a [`LocalApi`].

use std::cell::{OnceCell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::cache::Cache;

use crate::backend::Turns;
use crate::model::names::ApiSlot;
pub use crate::snapshot::local_throttling::LocalThrottling;
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
    local_throttling: Rc<LocalThrottling>,
}

/// An API as one worker holds it, with the worker's own turns.
#[derive(Debug)]
pub struct LocalApi {
    api: Arc<CompiledApi>,
    pub production_turns: Turns,
    pub sandbox_turns: Turns,
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
            current: RefCell::new(Rc::new(LocalSnapshot::new(snapshot, None))),
        }
    }

    /// The snapshot in use: one relaxed load when it has not changed.
    pub fn load(&self) -> Rc<LocalSnapshot> {
        let mut cache = self.cache.borrow_mut();
        let newest = cache.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(newest, &current.snapshot) {
            *current = Rc::new(LocalSnapshot::new(Arc::clone(newest), Some(&current)));
        }
        Rc::clone(&current)
    }
}

impl LocalSnapshot {
    fn new(snapshot: Arc<Snapshot>, before: Option<&Self>) -> Self {
        let apis = (0..snapshot.routes.apis.slots()).map(|_| OnceCell::new()).collect();
        let known = before.map(|before| &before.local_throttling);
        let known = known.filter(|known| known.is_of(&snapshot.throttling));
        let local_throttling = match known {
            // most changes leave the limits as they are
            Some(known) => Rc::clone(known),
            None => {
                let compiled = Arc::clone(&snapshot.throttling);
                Rc::new(LocalThrottling::new(compiled, snapshot.generation))
            }
        };
        Self { snapshot, apis, local_throttling }
    }

    /// This worker's handle on the limits of the snapshot.
    pub fn local_throttling(&self) -> &Rc<LocalThrottling> {
        &self.local_throttling
    }

    /// This worker's handle on an API of the snapshot.
    pub fn local_api(&self, slot: ApiSlot) -> Option<Rc<LocalApi>> {
        let api = self.snapshot.api(slot)?;
        let local =
            self.apis.get(slot.position())?.get_or_init(|| Rc::new(LocalApi::new(Arc::clone(api))));
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

    pub fn compiled(&self) -> &Arc<CompiledApi> {
        &self.api
    }
}

impl Deref for LocalApi {
    type Target = CompiledApi;

    fn deref(&self) -> &CompiledApi {
        &self.api
    }
}
