//! A key manager of a snapshot, with its live key set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::introspect::Introspector;
use crate::jwks::KeyManagerKeys;
use crate::model::clock::Moment;
use crate::model::directory::{Directory, KeyOwner};
use crate::model::key_manager::KeyManager;
use crate::model::names::KeyManagerSlot;
use crate::telemetry::KeyManagerSeries;

/// A key manager with its live key set. The next snapshot has the same `Arc` if the key manager did
/// not change, so a remembered verdict can tell whether it is still the same.
#[derive(Debug)]
pub struct CompiledKeyManager {
    pub slot: KeyManagerSlot,
    pub definition: KeyManager,
    pub keys: Arc<KeyManagerKeys>,
    /// The introspection of its tokens, if it has some.
    pub introspector: Option<Introspector>,
    /// The metrics of exchanges with its tokens.
    pub series: Arc<KeyManagerSeries>,
    /// The time at which a request with a token of it was last let through, in seconds since 1970;
    /// zero if never. Only kept for organizations that are not listed.
    used: AtomicU64,
}

impl CompiledKeyManager {
    pub fn new(
        slot: KeyManagerSlot,
        definition: KeyManager,
        keys: Arc<KeyManagerKeys>,
        introspector: Option<Introspector>,
        series: Arc<KeyManagerSeries>,
    ) -> Self {
        let used = AtomicU64::new(0);
        Self { slot, definition, keys, introspector, series, used }
    }

    /// Returns the names by which it can be meant: its own, and that of the template whose
    /// organization it is.
    pub fn meanings(&self) -> impl Iterator<Item = KeyManagerSlot> {
        let template = self.definition.template().filter(|template| *template != self.slot);
        std::iter::once(self.slot).chain(template)
    }

    /// Notes that a request with a token of it was let through.
    pub fn note_use(&self, now: Moment) {
        if self.definition.is_unlisted() && self.used.load(Ordering::Relaxed) < now.0.max(1) {
            // zero is never
            self.used.store(now.0.max(1), Ordering::Relaxed);
        }
    }

    pub(super) fn last_used(&self) -> Option<Moment> {
        Some(Moment(self.used.load(Ordering::Relaxed))).filter(|used| used.0 > 0)
    }

    /// Finds the application of a consumer key of this key manager. A key that was provisioned for
    /// the organization precedes one of the template.
    pub fn find(&self, directory: &Directory, consumer_key: &str) -> Option<KeyOwner> {
        self.meanings().find_map(|slot| directory.find(slot, consumer_key))
    }
}
