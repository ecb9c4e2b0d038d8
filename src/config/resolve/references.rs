//! Finds the object of a name. An unknown name is reported with the most similar one.

use std::collections::HashMap;

use crate::config::left_out::LeftOut;
use crate::config::problems::Problems;
use crate::config::reader::{Placed, Table, nearest};
use crate::model::identity::Identities;
use crate::model::names::{ApiSlot, KeyManagerSlot};
use crate::model::network::NetworkRule;
use crate::model::policy::{Policies, PolicyIndex, PolicyLevel};

/// The names that other parts of the file may refer to.
#[derive(Debug)]
pub(super) struct References {
    pub(super) identities: Identities,
    /// The objects that may be named although they were left out.
    pub(super) left_out: LeftOut,
    pub(super) key_managers: HashMap<String, KeyManagerSlot>,
    /// The APIs, by `name:version`.
    pub(super) apis: HashMap<String, ApiSlot>,
    pub(super) policies: Policies,
    /// The networks that backends of the management API may stand in.
    pub(super) foreign: NetworkRule,
    /// The policies that subscriptions may choose, of APIs that do not offer all.
    pub(super) offered: HashMap<ApiSlot, Vec<PolicyIndex>>,
}

impl References {
    /// Makes references to which only policies are known yet.
    pub(super) fn new(
        identities: &Identities,
        policies: Policies,
        left_out: &LeftOut,
        foreign: &NetworkRule,
    ) -> Self {
        Self {
            identities: identities.clone(),
            left_out: left_out.clone(),
            key_managers: HashMap::new(),
            apis: HashMap::new(),
            policies,
            foreign: foreign.clone(),
            offered: HashMap::new(),
        }
    }

    /// Tells whether a key belongs to a key manager that was left out; then the key is left out
    /// too.
    pub(super) fn misses_key_manager(&self, name: impl FnOnce() -> Option<String>) -> bool {
        let missing = &self.left_out.key_managers;
        !missing.is_empty() && name().is_some_and(|name| missing.contains(&name))
    }

    /// Tells whether a subscription is to an API that is left out.
    pub(super) fn misses_api(&self, name: impl FnOnce() -> Option<String>) -> bool {
        let missing = &self.left_out.apis;
        !missing.is_empty() && name().is_some_and(|name| missing.contains(&name))
    }

    /// Tells whether every name means the same in both, so that the same text becomes the same
    /// application. Not so if objects were left out: then a text loses parts.
    pub(super) fn give_the_same(&self, other: &Self) -> bool {
        self.left_out.is_empty()
            && other.left_out.is_empty()
            && self.key_managers == other.key_managers
            && self.apis == other.apis
            && self.policies == other.policies
            && self.offered == other.offered
    }

    /// Refuses a subscription policy that an API does not offer.
    pub(super) fn offers(
        &self,
        api: ApiSlot,
        policy: PolicyIndex,
    ) -> Result<(), (String, Option<String>)> {
        let Some(offered) = self.offered.get(&api).filter(|offered| !offered.contains(&policy))
        else {
            return Ok(());
        };
        let names: Vec<_> =
            offered.iter().map(|offered| format!("{:?}", self.policies.name(*offered))).collect();
        let name = self.policies.name(policy);
        let message = format!("the API does not offer the subscription policy {name:?}");
        Err((message, Some(format!("`policies` of the API has {}", names.join(", ")))))
    }
}

/// Reads `observe`, and warns that requests pass which would be refused.
pub(super) fn observing(table: &Table<'_>) -> bool {
    let observes = table.flag("observe", false);
    if observes {
        let message = "requests that this refuses for scope, audience, subscription or binding \
                       are forwarded (`observe = true`)";
        let hint = Some("remove `observe` when the log shows no more of them".to_owned());
        table.problems().warning(table.at_key("observe"), message.to_owned(), hint);
    }
    observes
}

/// Returns the policy that a key names; the unlimited one if none is written.
pub(super) fn policy(
    table: &Table<'_>,
    key: &str,
    level: PolicyLevel,
    references: &References,
) -> PolicyIndex {
    let Some(name) = table.text(key) else { return PolicyIndex::UNLIMITED };
    named_policy(&name, level, references, table.problems()).unwrap_or_default()
}

/// The policy of a name and level, or a problem.
pub(super) fn named_policy(
    name: &Placed<&str>,
    level: PolicyLevel,
    references: &References,
    problems: &Problems,
) -> Option<PolicyIndex> {
    let found = references.policies.find(level, name.value);
    if found.is_none() {
        let (message, hint) = no_such_policy(name.value, level, references);
        problems.error(name.at.clone(), message, hint);
    }
    found
}

/// Returns the message for a policy that does not exist.
pub(super) fn no_such_policy(
    name: &str,
    level: PolicyLevel,
    references: &References,
) -> (String, Option<String>) {
    let message = format!("there is no throttling policy {name:?} of level {:?}", level.as_str());
    let policies = &references.policies;
    let other = PolicyLevel::ALL
        .into_iter()
        .find(|other| *other != level && policies.find(*other, name).is_some());
    let hint = match other {
        Some(other) => Some(format!("{name:?} is of level {:?}", other.as_str())),
        None => nearest(name, policies.names(level)).map(|near| format!("did you mean {near:?}?")),
    };
    (message, hint)
}

/// Returns the API with this `name:version`; reports an error if there is none.
pub(super) fn api(
    name: &Placed<&str>,
    references: &References,
    problems: &Problems,
) -> Option<ApiSlot> {
    let found = references.apis.get(name.value).copied();
    if found.is_none() {
        let (message, hint) = no_such_api(name.value, references);
        problems.error(name.at.clone(), message, hint);
    }
    found
}

/// Returns the error message and the hint for an API that does not exist.
pub(super) fn no_such_api(name: &str, references: &References) -> (String, Option<String>) {
    let message = format!("there is no API {name:?}");
    let Some((api, _)) = name.rsplit_once(':') else {
        return (message, Some("write \"name:version\"".to_owned()));
    };
    let mut versions: Vec<_> = references
        .apis
        .keys()
        .filter_map(|known| known.rsplit_once(':'))
        .filter(|(known, _)| *known == api)
        .map(|(_, version)| version)
        .collect();
    versions.sort_unstable();
    if versions.is_empty() {
        let near = nearest(name, references.apis.keys().map(String::as_str));
        return (message, near.map(|near| format!("did you mean {near:?}?")));
    }
    (message, Some(format!("API {api:?} has these versions: {}", versions.join(", "))))
}

/// Returns the key manager with this name; reports an error if there is none.
pub(super) fn key_manager(
    name: &Placed<&str>,
    references: &References,
    problems: &Problems,
) -> Option<KeyManagerSlot> {
    let found = references.key_managers.get(name.value).copied();
    if found.is_none() {
        let (message, hint) = no_such_key_manager(name.value, references);
        problems.error(name.at.clone(), message, hint);
    }
    found
}

/// Returns the error message and the hint for a key manager that does not exist.
///
/// The hint never proposes the template of an organization that is not listed: that name stands for
/// all organizations, so it would let in more than the operator asked for.
pub(super) fn no_such_key_manager(name: &str, references: &References) -> (String, Option<String>) {
    let message = format!("there is no key manager {name:?}");
    let template = name
        .split_once('/')
        .filter(|(template, _)| references.key_managers.contains_key(*template));
    if let Some((template, organization)) = template {
        let hint = format!(
            "add {organization:?} to `organizations` of key manager {template:?}; or name \
             {template:?} here and write the application's own `organization`"
        );
        return (message, Some(hint));
    }
    let is_of_a_kind = |known: &&str| known.contains('/') == name.contains('/');
    let near =
        nearest(name, references.key_managers.keys().map(String::as_str).filter(is_of_a_kind));
    (message, near.map(|near| format!("did you mean {near:?}?")))
}
