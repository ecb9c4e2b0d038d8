//! Counts for the control side: the configuration in use, its reloads, and the key managers' keys.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cell::Cell;
use crate::model::clock::UnixSeconds;
use crate::telemetry::refusals::RefusalFacts;

/// The size of the configuration in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotFacts {
    pub generation: u64,
    pub applications: u64,
    pub consumer_keys: u64,
    pub subscriptions: u64,
}

/// The state of one key manager's keys, read at each scrape.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeyManagerFacts {
    pub name: String,
    pub keys: u64,
    /// Grows whenever the usable keys change.
    pub generation: u64,
    /// The time since the keys were last fetched or confirmed; `None` if they never were.
    pub age_seconds: Option<f64>,
    /// Tokens can be verified now.
    pub usable: bool,
    /// The time for which the last good keys are used.
    pub keep_stale_seconds: f64,
    /// The end of the server's certificate, as the server last showed it.
    pub certificate_until: Option<u64>,
    /// Fetches ever made, by result.
    pub fetches: Vec<(&'static str, u64)>,
    /// Keys ever skipped, by reason.
    pub skipped: Vec<(&'static str, u64)>,
    /// Requests that wait for newer keys.
    pub waiting: u64,
    /// The outcomes of waiting, counted by result.
    pub waits: Vec<(&'static str, u64)>,
    /// Keys in a rotation, by state; empty where keys do not come from a server.
    pub rotation: Vec<(&'static str, u64)>,
}

/// The expiry of the certificates in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    pub role: &'static str,
    pub file: String,
    /// Seconds since 1970.
    pub not_after: u64,
}

/// The facts about callers besides key sets, read at each scrape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentityFacts {
    pub forging_sources: u64,
    pub forging_sources_forgotten: u64,
    pub budgets: Vec<BudgetFacts>,
    /// Requests refused together because their address is not in `trusted_proxies`.
    pub unlisted_proxy_refusals: u64,
    pub refusals: RefusalFacts,
    /// The number of APIs, operations, key managers and policies whose refusals are only observed.
    pub observing: u64,
    /// Objects that a reload left out.
    pub quarantined: u64,
    pub organizations: Vec<OrganizationFacts>,
    pub server_certificates: Vec<ServerCertificateFacts>,
}

/// The end of a certificate that a server has shown, in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCertificateFacts {
    pub role: &'static str,
    pub server: String,
    pub not_after: u64,
}

/// The state of one kind of budgets per client address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetFacts {
    pub budget: &'static str,
    pub sources: u64,
    pub forgotten: u64,
    pub refused: u64,
}

/// The state of one template's organizations that the file does not list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationFacts {
    pub key_manager: String,
    pub states: [(&'static str, u64); 3],
    pub events: [(&'static str, u64); 6],
}

/// The source of [`IdentityFacts`].
pub type IdentitySource = Box<dyn Fn() -> IdentityFacts + Send + Sync>;

/// The source of [`KeyManagerFacts`].
pub type KeyManagerSource = Box<dyn Fn() -> Vec<KeyManagerFacts> + Send + Sync>;

#[derive(Default)]
pub(super) struct Control {
    pub(super) generation: Cell,
    pub(super) applications: Cell,
    pub(super) consumer_keys: Cell,
    pub(super) subscriptions: Cell,
    pub(super) loaded_at: Cell,
    pub(super) last_reload_failed: Cell,
    pub(super) reloads_succeeded: Cell,
    pub(super) reloads_failed: Cell,
    pub(super) clock_forward: Cell,
    pub(super) clock_back: Cell,
    pub(super) worker_restarts: Cell,
    certificates: Mutex<Vec<CertificateFacts>>,
    key_managers: Mutex<Option<KeyManagerSource>>,
    identity: Mutex<Option<IdentitySource>>,
    store: Mutex<Option<StorePlace>>,
    store_objects: Mutex<Vec<(&'static str, u64)>>,
}

/// A gateway's place in the history of its store.
#[derive(Debug, Clone, Copy)]
pub struct StorePlace {
    /// The revision in force.
    pub revision: u64,
    /// True if the store answers, and all that it says is in force.
    pub up: bool,
    /// The time at which the gateway last had everything of the store in force.
    pub current_at: Instant,
}

impl Control {
    pub(super) fn store_in_force(&self, revision: u64) {
        let place = StorePlace { revision, up: true, current_at: Instant::now() };
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// Notes the revision that a start found, perhaps in a copy: only a report tells that the store
    /// answers.
    pub(super) fn store_found(&self, revision: u64, age: Duration) {
        let now = Instant::now();
        let current_at = now.checked_sub(age).unwrap_or(now);
        let place = StorePlace { revision, up: false, current_at };
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// Notes a later revision; the store has answered if it did so before.
    pub(super) fn store_advanced(&self, revision: u64) {
        if let Some(place) = &mut *self.store.lock().unwrap_or_else(PoisonError::into_inner) {
            place.revision = revision;
            if place.up {
                place.current_at = Instant::now();
            }
        }
    }

    pub(super) fn store_failed(&self) {
        if let Some(place) = &mut *self.store.lock().unwrap_or_else(PoisonError::into_inner) {
            place.up = false;
        }
    }

    /// Notes how many objects of each kind the store has.
    pub(super) fn store_has(&self, objects: Vec<(&'static str, u64)>) {
        *self.store_objects.lock().unwrap_or_else(PoisonError::into_inner) = objects;
    }

    pub(super) fn store_objects(&self) -> Vec<(&'static str, u64)> {
        self.store_objects.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `None` if there is no store.
    pub(super) fn store(&self) -> Option<StorePlace> {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn snapshot(&self, facts: &SnapshotFacts) {
        self.generation.set(facts.generation);
        self.applications.set(facts.applications);
        self.consumer_keys.set(facts.consumer_keys);
        self.subscriptions.set(facts.subscriptions);
    }

    pub(super) fn loaded(&self, at: UnixSeconds) {
        self.loaded_at.set(at.0);
        self.last_reload_failed.set(0);
    }

    pub(super) fn reloaded(&self, at: UnixSeconds) {
        self.loaded(at);
        self.reloads_succeeded.add_shared(1);
    }

    pub(super) fn reload_failed(&self) {
        self.last_reload_failed.set(1);
        self.reloads_failed.add_shared(1);
    }

    pub(super) fn clock_jumped(&self, forward: bool) {
        let count = if forward { &self.clock_forward } else { &self.clock_back };
        count.add_shared(1);
    }

    pub(super) fn certificates(&self, facts: Vec<CertificateFacts>) {
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) = facts;
    }

    pub(super) fn known_certificates(&self) -> Vec<CertificateFacts> {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn ask_key_managers(&self, source: KeyManagerSource) {
        *self.key_managers.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    pub(super) fn ask_identity(&self, source: IdentitySource) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    pub(super) fn identity(&self) -> IdentityFacts {
        self.identity
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map_or_else(IdentityFacts::default, |source| source())
    }

    pub(super) fn key_managers(&self) -> Vec<KeyManagerFacts> {
        self.key_managers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map_or_else(Vec::new, |source| source())
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("generation", &self.generation).finish_non_exhaustive()
    }
}
