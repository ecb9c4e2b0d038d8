//! The compiled configuration: read-only tables that every request of a generation reads, and the
//! one swap cell that holds them.
//!
//! Decides how a model becomes tables. Never waits, never changes a table after it is published.
//! State that changes while a generation lives (key sets, counters, connection pools) stands beside
//! the snapshot and outlives it.
//!
//! The walk through the files: [`compile`] (model -> tables), [`state`] (differences), [`parts`],
//! [`api`] (an API with its backends), [`routed`] (the first proof of the walk), [`throttling`]
//! (limits), [`swap`] (the cell), [`local`] (one worker's view, which costs a request no shared
//! counter).

mod api;
mod by_slot;
pub mod compile;
mod deny;
mod difference;
mod kept;
mod level;
pub mod local;
mod local_throttling;
mod observing;
mod parts;
mod routed;
mod state;
mod swap;
pub mod throttling;

use std::sync::Arc;

use http::Method;

pub use api::{CompiledApi, CompiledOperation};
pub use by_slot::BySlot;
pub use level::{Level, LevelKind};
pub use parts::{KeyManagers, Routes, SnapshotSettings};
pub use routed::Routed;
pub use state::{SettingsState, SnapshotChange, SnapshotState};
pub use swap::Snapshots;

use crate::jwks::KeyManagerKeys;
use crate::key_managers::{CompiledKeyManager, CompiledTemplate, Organizations};
use crate::model::clock::Moment;
use crate::model::directory::Directory;
use crate::model::names::{ApiSlot, KeyManagerSlot};
use crate::route::{Found, InvalidPath, NormalPath, NotFound};
use crate::snapshot::throttling::CompiledThrottling;

/// One generation of the configuration. It shares parts with the generations before and after, and
/// clones share all of them.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub generation: u64,
    pub settings: Arc<SnapshotSettings>,
    pub routes: Arc<Routes>,
    pub key_managers: Arc<KeyManagers>,
    pub directory: Directory,
    pub throttling: Arc<CompiledThrottling>,
}

/// The key manager that serves an issuer which no file lists.
#[derive(Debug)]
pub enum Unlisted {
    /// An organization's that is open.
    Open(Arc<CompiledKeyManager>),
    /// An organization's that this template would take.
    Template(Arc<CompiledTemplate>),
    /// Several templates fit, so the issuer is ambiguous.
    Several,
    Nobodys,
}

impl Snapshot {
    /// Brings the path of a request target to the normal form that its API accepts.
    pub fn normalize<'r>(&self, host: &str, path: &'r str) -> Result<NormalPath<'r>, InvalidPath> {
        self.routes.table.normalize(host, path)
    }

    /// Finds the operation that answers a request.
    pub fn route(
        &self,
        host: &str,
        path: &NormalPath<'_>,
        method: &Method,
    ) -> Result<Routed<'_>, NotFound> {
        let Found { api, operation, base_length } = self.routes.table.find(host, path, method)?;
        let position = operation as usize;
        let found = self.api(api).and_then(|api| {
            let operation = api.definition.operations.get(position)?;
            Some(Routed { api, position, operation, base_length })
        });
        found.ok_or(NotFound::Api)
    }

    /// The enabled key manager of exactly this issuer; the first one, where several have it.
    pub fn key_manager_of(&self, issuer: &str) -> Option<&Arc<CompiledKeyManager>> {
        if let Some(index) = self.key_managers.issuers.get(issuer).and_then(|slots| slots.first()) {
            return self.key_manager(*index);
        }
        self.key_managers.learning.iter().filter_map(|slot| self.key_manager(*slot)).find(
            |key_manager| {
                key_manager
                    .keys
                    .current()
                    .issuer
                    .as_ref()
                    .is_some_and(|learned| learned.as_str() == issuer)
            },
        )
    }

    /// Finds the key manager of an issuer that no file lists, and that no key manager has learned.
    pub fn unlisted(&self, issuer: &str) -> Unlisted {
        let mut taking = self.key_managers.templates.iter().filter(|template| {
            template.organizations.as_ref().is_some_and(|own| own.takes(issuer))
        });
        match (taking.next(), taking.next()) {
            (None, _) => Unlisted::Nobodys,
            (Some(_), Some(_)) => Unlisted::Several,
            (Some(template), None) => {
                let open = template
                    .organizations
                    .as_ref()
                    .and_then(|organizations| organizations.find(issuer));
                open.map_or_else(|| Unlisted::Template(Arc::clone(template)), Unlisted::Open)
            }
        }
    }

    /// Looks after organizations that are not listed; may write files.
    pub fn tend_organizations(&self, now: Moment) {
        self.organizations().for_each(|(_, organizations)| organizations.tend(now));
    }

    /// Returns the templates that serve organizations which are not listed.
    pub fn organizations(&self) -> impl Iterator<Item = (&Arc<CompiledTemplate>, &Organizations)> {
        self.key_managers
            .templates
            .iter()
            .filter_map(|template| Some((template, template.organizations.as_ref()?)))
    }

    /// Returns the present key manager for one of an earlier snapshot: the one of the same name,
    /// listed or not.
    pub fn same_named(&self, earlier: &CompiledKeyManager) -> Option<Arc<CompiledKeyManager>> {
        let definition = &earlier.definition;
        let listed = self
            .key_managers
            .iter()
            .find(|key_manager| key_manager.definition.name == definition.name)
            .map(Arc::clone);
        listed.or_else(|| match self.unlisted(definition.issuer.as_ref()?.as_str()) {
            Unlisted::Open(open) if open.definition.name == definition.name => Some(open),
            _ => None,
        })
    }

    /// Returns the enabled key managers with this written issuer, if there are several.
    pub fn key_managers_sharing(
        &self,
        issuer: &str,
    ) -> impl Iterator<Item = &Arc<CompiledKeyManager>> {
        let shared = self.key_managers.issuers.get(issuer).filter(|indices| indices.len() > 1);
        shared.into_iter().flatten().filter_map(|slot| self.key_manager(*slot))
    }

    /// Returns the key managers whose issuer is not known yet: a token of an unknown issuer may
    /// still be theirs.
    pub fn unlearned_issuers(&self) -> Vec<Arc<KeyManagerKeys>> {
        let learning = self.key_managers.learning.iter().filter_map(|slot| self.key_manager(*slot));
        let unlearned = learning.filter(|key_manager| key_manager.keys.current().issuer.is_none());
        unlearned.map(|key_manager| Arc::clone(&key_manager.keys)).collect()
    }

    pub fn api(&self, slot: ApiSlot) -> Option<&Arc<CompiledApi>> {
        self.routes.apis.at(slot.position())
    }

    /// Tells whether a key manager is still one of these, unchanged.
    pub fn holds(&self, key_manager: &Arc<CompiledKeyManager>) -> bool {
        match self.key_manager(key_manager.slot) {
            Some(current) => Arc::ptr_eq(current, key_manager),
            None => self
                .template(key_manager.slot)
                .and_then(|template| template.organizations.as_ref())
                .is_some_and(|organizations| organizations.holds(key_manager)),
        }
    }

    pub fn template(&self, slot: KeyManagerSlot) -> Option<&Arc<CompiledTemplate>> {
        self.key_managers.templates.at(slot.position())
    }

    /// Finds a key manager by its name.
    pub fn key_manager_named(&self, name: &str) -> Option<&Arc<CompiledKeyManager>> {
        self.key_managers.iter().find(|own| own.definition.name.as_str() == name)
    }

    pub fn key_manager(&self, slot: KeyManagerSlot) -> Option<&Arc<CompiledKeyManager>> {
        self.key_managers.listed.at(slot.position())
    }
}
