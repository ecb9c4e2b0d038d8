//! One configuration, reduced to the facts that decide who can call which operation.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::model::api::{Api, AuthScheme, Lifecycle, SubscriptionRule};
use crate::model::application::{KeyType, SubscriptionState};
use crate::model::directory::{ApplicationView, Directory};
use crate::model::key_manager::KeyManager;
use crate::model::names::{ApiSlot, KeyManagerSlot};
use crate::model::{KeyManagerTemplate, Model};

/// APIs, key managers and applications. Two states can be compared if their slots are of the same
/// identities.
#[derive(Debug)]
pub struct AccessState<'s> {
    pub(super) apis: Arc<HashMap<ApiSlot, ReachableApi<'s>>>,
    pub(super) directory: &'s Directory,
    names: Arc<HashMap<KeyManagerSlot, &'s str>>,
}

/// An API with the key managers whose tokens it accepts.
#[derive(Debug)]
pub(super) struct ReachableApi<'s> {
    pub(super) definition: &'s Api,
    pub(super) accepted: Arc<HashSet<KeyManagerSlot>>,
}

/// A key by which an application can call an API.
pub(super) type UsableKey = (KeyManagerSlot, KeyType);

impl<'s> AccessState<'s> {
    pub fn of(model: &'s Model) -> Self {
        Self::new(
            model.apis.iter(),
            model.key_managers.iter(),
            model.templates.iter(),
            &model.directory,
        )
    }

    pub fn new(
        apis: impl Iterator<Item = &'s Api>,
        key_managers: impl Iterator<Item = &'s KeyManager>,
        templates: impl Iterator<Item = &'s KeyManagerTemplate>,
        directory: &'s Directory,
    ) -> Self {
        let mut names = HashMap::new();
        // for each slot that an API can name: the slots by which keys can name the same key manager
        let mut judging: HashMap<KeyManagerSlot, Vec<KeyManagerSlot>> = HashMap::new();
        for own in key_managers {
            names.insert(own.slot(), own.name.as_str());
            let meanings = || std::iter::once(own.slot()).chain(own.template());
            for slot in meanings().filter(|_| own.enabled) {
                judging.entry(slot).or_default().extend(meanings());
            }
        }
        for own in templates {
            names.insert(own.slot(), own.name().as_str());
            if own.is_enabled() && own.unlisted.is_some() {
                judging.entry(own.slot()).or_default().push(own.slot());
            }
        }
        let everyone: Arc<HashSet<_>> = Arc::new(judging.values().flatten().copied().collect());
        let reachable = |definition: &'s Api| {
            let wanted = &definition.key_managers;
            let accepted = if wanted.is_empty() {
                Arc::clone(&everyone)
            } else {
                let accepted = wanted.iter().filter_map(|slot| judging.get(slot)).flatten();
                Arc::new(accepted.copied().collect())
            };
            (definition.slot(), ReachableApi { definition, accepted })
        };
        let apis = Arc::new(apis.map(reachable).collect());
        Self { apis, directory, names: Arc::new(names) }
    }

    /// Returns this state with other applications.
    #[must_use]
    pub fn with_directory(&self, directory: &'s Directory) -> Self {
        Self { apis: Arc::clone(&self.apis), names: Arc::clone(&self.names), directory }
    }

    pub(super) fn key_manager(&self, slot: KeyManagerSlot) -> &'s str {
        self.names.get(&slot).copied().unwrap_or_default()
    }

    /// Returns the keys by which an application can call an API.
    pub(super) fn keys(&self, application: &ApplicationView<'_>, api: ApiSlot) -> Vec<UsableKey> {
        let Some(own) = self.apis.get(&api).filter(|own| own.has_protected()) else {
            return Vec::new();
        };
        let subscription = application.subscription(api).map(|own| own.state);
        let required = own.definition.subscription == SubscriptionRule::Required;
        let usable = |key_type: KeyType| {
            let backend = match key_type {
                KeyType::Production => &own.definition.production,
                KeyType::Sandbox => &own.definition.sandbox,
            };
            let subscribed = subscription.map_or(!required, |state| lets(state, key_type));
            backend.is_some() && subscribed
        };
        let keys = application.keys().map(|key| (key.key_manager, key.key_type));
        keys.filter(|(manager, key_type)| own.accepted.contains(manager) && usable(*key_type))
            .collect()
    }
}

impl ReachableApi<'_> {
    pub(super) fn is_served(&self) -> bool {
        !matches!(self.definition.lifecycle, Lifecycle::Blocked | Lifecycle::Retired)
    }

    /// Tells whether there is an operation that asks for a token.
    fn has_protected(&self) -> bool {
        let mut operations = self.definition.operations.iter();
        self.is_served() && operations.any(|own| own.auth == AuthScheme::Required)
    }
}

fn lets(state: SubscriptionState, key_type: KeyType) -> bool {
    match state {
        SubscriptionState::Unblocked => true,
        SubscriptionState::ProdOnlyBlocked => key_type == KeyType::Sandbox,
        SubscriptionState::Blocked | SubscriptionState::OnHold | SubscriptionState::Rejected => {
            false
        }
    }
}
