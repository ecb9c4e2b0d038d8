//! Two configurations compared.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::access::addresses::{ApiAddresses, beyond};
use crate::model::access::change::{AccessChange, AccessHolder, AccessTurn};
use crate::model::access::state::{AccessState, ReachableApi, UsableKey};
use crate::model::api::Api;
use crate::model::directory::ApplicationView;
use crate::model::names::ApiSlot;

/// A person reads no more lines; the others are counted.
const MOST_LINES: usize = 100;

/// Applications that may differ.
#[derive(Debug, Clone, Copy)]
pub enum Among<'a> {
    All,
    /// Only these have changed.
    Named(&'a BTreeSet<&'a str>),
}

/// The differences in access between two states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessDifference {
    pub changes: Vec<AccessChange>,
    /// Changes beyond those.
    pub more: usize,
}

/// An API that differs, with its addresses before and after.
#[derive(Debug)]
struct ApiDifference {
    before: ApiAddresses,
    after: ApiAddresses,
}

struct AccessComparison<'c, 's> {
    before: &'c AccessState<'s>,
    after: &'c AccessState<'s>,
    apis: HashMap<ApiSlot, ApiDifference>,
    found: AccessDifference,
}

impl AccessState<'_> {
    /// Returns the callers whose access differs in `next`. Its cost grows with the named
    /// applications. It grows with all applications only if an API or a key manager differs too.
    pub fn difference(&self, next: &Self, among: Among<'_>) -> AccessDifference {
        let mut comparison = AccessComparison {
            before: self,
            after: next,
            apis: changed_apis(self, next),
            found: AccessDifference::default(),
        };
        comparison.everybody();
        comparison.applications(among);
        comparison.found
    }
}

fn changed_apis(
    before: &AccessState<'_>,
    after: &AccessState<'_>,
) -> HashMap<ApiSlot, ApiDifference> {
    if Arc::ptr_eq(&before.apis, &after.apis) {
        return HashMap::new();
    }
    let slots: BTreeSet<ApiSlot> = before.apis.keys().chain(after.apis.keys()).copied().collect();
    let differing = slots.into_iter().filter_map(|slot| {
        let (old, new) = (before.apis.get(&slot), after.apis.get(&slot));
        let same = match (old, new) {
            (Some(old), Some(new)) => is_reached_alike(old, new),
            _ => false,
        };
        let difference =
            || ApiDifference { before: ApiAddresses::of(old), after: ApiAddresses::of(new) };
        (!same).then(|| (slot, difference()))
    });
    differing.collect()
}

fn is_reached_alike(one: &ReachableApi<'_>, other: &ReachableApi<'_>) -> bool {
    fn operations(api: &Api) -> impl Iterator<Item = impl PartialEq> {
        api.operations.iter().map(|own| (&own.method, &own.template, own.auth, &own.scopes))
    }
    let rules = |api: &Api| {
        let backends = (api.production.is_some(), api.sandbox.is_some());
        (api.lifecycle, api.subscription, backends)
    };
    let (old, new) = (one.definition, other.definition);
    one.accepted == other.accepted
        && rules(old) == rules(new)
        && (&old.base_path, &old.default_base_path) == (&new.base_path, &new.default_base_path)
        && old.hosts == new.hosts
        && operations(old).eq(operations(new))
}

impl AccessComparison<'_, '_> {
    /// Lists operations that need no subscription or no token, and changes of scopes.
    fn everybody(&mut self) {
        let apis = std::mem::take(&mut self.apis);
        let mut named: Vec<_> = apis.iter().map(|(slot, own)| (self.name(*slot), own)).collect();
        named.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, ApiDifference { before, after }) in named {
            let sides = [
                (AccessTurn::Gains, beyond(&after.open, &before.open)),
                (AccessTurn::Loses, beyond(&before.open, &after.open)),
            ];
            for (turn, operations) in sides {
                self.operations(AccessHolder::Anybody, turn, &name, operations);
            }
            let unsubscribed = |own: &ApiAddresses, other: &ApiAddresses| {
                if own.subscribed {
                    Vec::new()
                } else if other.subscribed {
                    own.all()
                } else {
                    beyond(&own.protected, &other.protected)
                }
            };
            let sides = [
                (AccessTurn::Gains, unsubscribed(after, before)),
                (AccessTurn::Loses, unsubscribed(before, after)),
            ];
            for (turn, operations) in sides {
                self.operations(AccessHolder::AnyToken, turn, &name, operations);
            }
            for (address, scopes) in &after.protected {
                let Some(old) = before.protected.get(address).filter(|old| *old != scopes) else {
                    continue;
                };
                let operation = vec![address.clone()];
                let turn = AccessTurn::Changes;
                let change = AccessChange::new(AccessHolder::AnyToken, turn, &name, operation);
                let detail = format!("if it has {}, not {}", said(scopes), said(old));
                self.found.add(|| AccessChange { detail: Some(detail), ..change });
            }
        }
        self.apis = apis;
    }

    fn operations(
        &mut self,
        holder: AccessHolder,
        turn: AccessTurn,
        api: &str,
        operations: Vec<String>,
    ) {
        if !operations.is_empty() {
            self.found.add(|| AccessChange::new(holder, turn, api, operations));
        }
    }

    fn applications(&mut self, among: Among<'_>) {
        let (before, after) = (self.before.directory, self.after.directory);
        match among {
            Among::Named(names) if self.apis.is_empty() => {
                for name in names {
                    self.application(before.named(name), after.named(name));
                }
            }
            _ if before.is(after) => {
                if self.apis.is_empty() {
                    return;
                }
                for application in after.applications() {
                    let calls = |own: &ApiSlot| self.apis.contains_key(own);
                    if application.subscriptions().any(|own| calls(&own.api)) {
                        self.application(Some(application), Some(application));
                    }
                }
            }
            _ => {
                for application in after.applications() {
                    self.application(before.named(application.name), Some(application));
                }
                for gone in before.applications() {
                    if after.named(gone.name).is_none() {
                        self.application(Some(gone), None);
                    }
                }
            }
        }
    }

    fn application(
        &mut self,
        before: Option<ApplicationView<'_>>,
        after: Option<ApplicationView<'_>>,
    ) {
        let same = match (&before, &after) {
            (Some(before), Some(after)) => is_same(before, after),
            _ => false,
        };
        if let (Some(before), Some(after)) = (&before, &after)
            && before.organization != after.organization
        {
            self.organization(before, after);
        }
        let mut slots: Vec<ApiSlot> = Vec::new();
        let views = after.into_iter().chain(before);
        for own in views.flat_map(|view| view.subscriptions()) {
            if !slots.contains(&own.api) && (!same || self.apis.contains_key(&own.api)) {
                slots.push(own.api);
            }
        }
        for slot in slots {
            let keys = |state: &AccessState<'_>, view: Option<ApplicationView<'_>>| {
                view.map(|own| state.keys(&own, slot)).unwrap_or_default()
            };
            let (old, new) = (keys(self.before, before), keys(self.after, after));
            if let Some(view) = after.or(before) {
                self.access(&view, slot, &old, &new);
            }
        }
    }

    /// Compares the access of an application to one API.
    fn access(
        &mut self,
        application: &ApplicationView<'_>,
        slot: ApiSlot,
        old: &[UsableKey],
        new: &[UsableKey],
    ) {
        if old.is_empty() && new.is_empty() {
            return;
        }
        let addresses = |state: &AccessState<'_>| ApiAddresses::of(state.apis.get(&slot));
        let beyond_keys = |own: &[UsableKey], other: &[UsableKey]| -> Vec<UsableKey> {
            own.iter().filter(|key| !other.contains(key)).copied().collect()
        };
        let sides = [
            (AccessTurn::Gains, beyond_keys(new, old), old.is_empty(), self.after),
            (AccessTurn::Loses, beyond_keys(old, new), new.is_empty(), self.before),
        ];
        for (turn, keys, entirely, state) in sides {
            if keys.is_empty() {
                continue;
            }
            let details: Vec<Option<String>> = if entirely {
                vec![None]
            } else {
                let key = |(manager, key_type): &UsableKey| {
                    let manager = state.key_manager(*manager);
                    format!("with its {} key of {manager:?}", key_type.label())
                };
                keys.iter().map(|own| Some(key(own))).collect()
            };
            for detail in details {
                let operations = || addresses(state).all();
                self.line(application, turn, slot, operations, true, detail);
            }
        }
        let kept = new.iter().any(|key| old.contains(key));
        if kept && let Some(ApiDifference { before, after }) = self.apis.get(&slot) {
            let gained = beyond(&after.protected, &before.protected);
            let lost = beyond(&before.protected, &after.protected);
            for (turn, operations) in [(AccessTurn::Gains, gained), (AccessTurn::Loses, lost)] {
                if !operations.is_empty() {
                    self.line(application, turn, slot, || operations, false, None);
                }
            }
        }
    }

    fn line(
        &mut self,
        application: &ApplicationView<'_>,
        turn: AccessTurn,
        slot: ApiSlot,
        operations: impl FnOnce() -> Vec<String>,
        whole: bool,
        detail: Option<String>,
    ) {
        let name = self.name(slot);
        self.found.add(|| {
            let change = AccessChange::new(holder(application), turn, &name, operations());
            AccessChange { whole, detail, ..change }
        });
    }

    fn organization(&mut self, before: &ApplicationView<'_>, after: &ApplicationView<'_>) {
        let of = |organization: Option<&str>| match organization {
            Some(name) => format!("of the organization {name:?}"),
            None => "of any organization".to_owned(),
        };
        let detail = format!(
            "its access with tokens {} instead of those {}",
            of(after.organization),
            of(before.organization)
        );
        let change = AccessChange::new(holder(after), AccessTurn::Changes, "", Vec::new());
        self.found.add(|| AccessChange { detail: Some(detail), ..change });
    }

    fn name(&self, slot: ApiSlot) -> String {
        let own = self.after.apis.get(&slot).or_else(|| self.before.apis.get(&slot));
        own.map_or_else(String::new, |own| {
            format!("{}:{}", own.definition.name, own.definition.version)
        })
    }
}

fn is_same(one: &ApplicationView<'_>, other: &ApplicationView<'_>) -> bool {
    let keys = |view: &ApplicationView<'_>| {
        view.keys().map(|key| (key.key_manager, key.key_type)).collect::<Vec<_>>()
    };
    let subscriptions = |view: &ApplicationView<'_>| {
        view.subscriptions().map(|own| (own.api, own.state)).collect::<Vec<_>>()
    };
    keys(one) == keys(other) && subscriptions(one) == subscriptions(other)
}

fn holder(application: &ApplicationView<'_>) -> AccessHolder {
    AccessHolder::Application {
        application: application.name.to_owned(),
        owner: application.owner.to_owned(),
    }
}

fn said(scopes: &[String]) -> String {
    match scopes {
        [] => "any scopes".to_owned(),
        [one] => format!("the scope {one}"),
        many => format!("one of the scopes {}", many.join(", ")),
    }
}

impl AccessDifference {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.more == 0
    }

    /// Returns a line for each change, and one that counts the others.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.changes.iter().map(ToString::to_string).collect();
        if self.more > 0 {
            lines.push(format!("and {} more changes of access", self.more));
        }
        lines
    }

    fn add(&mut self, change: impl FnOnce() -> AccessChange) {
        if self.changes.len() < MOST_LINES {
            self.changes.push(change());
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}
