//! Finds what a name refers to, or reports it with the name that was probably meant.

use std::collections::HashMap;

use crate::config::problems::Problems;
use crate::config::reader::{Placed, nearest};
use crate::model::identity::Identities;
use crate::model::names::{ApiSlot, KeyManagerSlot};

/// The names that other parts of the file may refer to.
#[derive(Debug)]
pub(super) struct References {
    pub(super) identities: Identities,
    pub(super) key_managers: HashMap<String, KeyManagerSlot>,
    /// The APIs, by `name:version`.
    pub(super) apis: HashMap<String, ApiSlot>,
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
