//! Finds out which parts of a snapshot a state would change.

use std::sync::Arc;

use crate::model::api::Api;
use crate::model::backend::{Backend, BackendScheme};
use crate::snapshot::Snapshot;
use crate::snapshot::state::{ApisState, KeyManagersState, SnapshotChange, SnapshotState};

impl SnapshotState {
    /// The changes that make a snapshot into one of this state.
    pub fn changes_since(self, current: &Snapshot) -> Vec<SnapshotChange> {
        let mut changes = Vec::new();
        if self.settings != current.settings.declared {
            changes.push(SnapshotChange::Settings(Box::new(self.settings)));
        }
        if !self.apis.is_that_of(current) {
            changes.push(SnapshotChange::Apis(Box::new(self.apis)));
        }
        if !self.key_managers.is_that_of(current) {
            changes.push(SnapshotChange::KeyManagers(self.key_managers));
        }
        if !self.directory.is(&current.directory) {
            changes.push(SnapshotChange::Directory(self.directory));
        }
        changes
    }
}

impl ApisState {
    fn is_that_of(&self, current: &Snapshot) -> bool {
        let routes = &current.routes;
        // the system's authorities are read with the APIs, and may have changed
        let trusts_system = self.apis.iter().any(is_secure);
        !trusts_system
            && self.throttling == routes.throttling
            && self.removed == *routes.removed
            && self.apis.iter().eq(routes.apis.iter().map(|api| &api.definition))
    }
}

fn is_secure(api: &Api) -> bool {
    let backends = [&api.production, &api.sandbox];
    let targets = |backend: &Backend| {
        let mut all = backend.targets.iter().chain(&backend.failover);
        all.any(|target| target.scheme == BackendScheme::Https)
    };
    backends.into_iter().flatten().any(targets)
}

impl KeyManagersState {
    fn is_that_of(&self, current: &Snapshot) -> bool {
        let listed = &current.key_managers;
        let mut pairs = self.definitions.iter().zip(&self.keys).zip(listed.iter());
        let templates = listed.templates.iter().map(|template| &template.definition);
        listed.len() == self.definitions.len()
            && self.templates.iter().eq(templates)
            && pairs.all(|((definition, keys), own)| {
                Arc::ptr_eq(keys, &own.keys) && *definition == own.definition
            })
    }
}
