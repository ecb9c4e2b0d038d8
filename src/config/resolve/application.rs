//! `[[applications]]` with their keys and subscriptions.

use crate::config::problems::Problems;
use crate::config::reader::{Placed, Table, nearest};
use crate::config::report::At;
use crate::config::resolve::{References, Whole, api};
use crate::config::source::Sources;
use crate::model::directory::{
    Conflict, Directory, KeyType, NewApplication, NewKey, SubscriptionState, SubscriptionView,
};
use crate::model::names::{ApiIndex, MAX_NAME_BYTES};

/// The longest consumer key that is taken.
pub(in crate::config) const MOST_CONSUMER_KEY: usize = 1024;

pub(super) fn applications(
    whole: &Whole<'_>,
    sources: &Sources,
    references: &References,
    directory: &mut Directory,
) {
    for table in whole.every("applications") {
        let name = table.needed("name");
        let owner = table.text("owner").map_or("", |owner| owner.value);
        let organization = table
            .text("organization")
            .and_then(|organization| named_organization(&organization, &table));
        let keys: Vec<_> =
            table.tables("keys").iter().filter_map(|key| new_key(key, references)).collect();
        let subscriptions: Vec<_> = table
            .tables("subscriptions")
            .iter()
            .filter_map(|table| subscription(table, references))
            .collect();
        let Some(name) = name else { continue };
        if name.value.len() > MAX_NAME_BYTES {
            table.problems().error(
                name.at,
                format!("`applications.name` may have {MAX_NAME_BYTES} bytes at most"),
                None,
            );
            continue;
        }
        let place = sources.place(&table.at());
        let new = NewApplication {
            name: name.value,
            owner,
            organization,
            keys: &keys,
            subscriptions: &subscriptions,
            place,
        };
        if let Err(conflict) = directory.add(new) {
            let other = other_place(&conflict, sources);
            match other {
                Some(other) => {
                    table.problems().conflict(table.at(), other, conflict.to_string(), None);
                }
                None => table.problems().error(table.at(), conflict.to_string(), None),
            }
        }
    }
}

fn named_organization<'t>(organization: &Placed<&'t str>, table: &Table<'_>) -> Option<&'t str> {
    if is_organization(organization.value) {
        return Some(organization.value);
    }
    let message =
        "`applications.organization` is blank, too long, or holds a control character".to_owned();
    table.problems().error(organization.at.clone(), message, None);
    None
}

/// Whether a text can be an organization's.
pub(in crate::config) fn is_organization(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_NAME_BYTES && !text.chars().any(char::is_control)
}

/// The place of what an application collides with.
fn other_place(conflict: &Conflict, sources: &Sources) -> Option<At> {
    match conflict {
        Conflict::Name { other, .. } | Conflict::ConsumerKey { other, .. } => {
            Some(At::Line { path: sources.path(other.file).into(), line: other.line })
        }
        Conflict::KeyType { .. } | Conflict::Subscription { .. } | Conflict::Full => None,
    }
}

fn new_key<'a>(table: &Table<'a>, references: &References) -> Option<NewKey<'a>> {
    let key_type =
        match table.needed("type").and_then(|_| table.choice("type", &["production", "sandbox"])) {
            Some("production") => Some(KeyType::Production),
            Some(_) => Some(KeyType::Sandbox),
            None => None,
        };
    let key_manager = table
        .needed("key_manager")
        .and_then(|name| api::key_manager(&name, references, table.problems()));
    let consumer_key = table.needed("consumer_key")?;
    if consumer_key.value.len() > MOST_CONSUMER_KEY
        || consumer_key.value.chars().any(char::is_control)
    {
        table.problems().error(
            consumer_key.at,
            "`consumer_key` is too long, or holds a control character".to_owned(),
            None,
        );
        return None;
    }
    Some(NewKey {
        key_manager: key_manager?,
        consumer_key: consumer_key.value,
        key_type: key_type?,
    })
}

fn subscription(table: &Table<'_>, references: &References) -> Option<SubscriptionView> {
    let api = table.needed("api").and_then(|name| find_api(&name, references, table.problems()));
    let state = match table
        .choice("status", &["unblocked", "blocked", "prod_only_blocked", "on_hold", "rejected"])
    {
        Some("blocked") => SubscriptionState::Blocked,
        Some("prod_only_blocked") => SubscriptionState::ProdOnlyBlocked,
        Some("on_hold") => SubscriptionState::OnHold,
        Some("rejected") => SubscriptionState::Rejected,
        // a word that is none of these is an error already, and no state opens what another would close
        _ => SubscriptionState::Unblocked,
    };
    Some(SubscriptionView { api: api?, state })
}

/// The API of `name:version`, or what was probably meant.
fn find_api(name: &Placed<&str>, references: &References, problems: &Problems) -> Option<ApiIndex> {
    let found = references.apis.get(name.value).copied();
    if found.is_none() {
        let (message, hint) = no_such_api(name.value, references);
        problems.error(name.at.clone(), message, hint);
    }
    found
}

/// What to say of an API that is not there.
pub(in crate::config) fn no_such_api(
    name: &str,
    references: &References,
) -> (String, Option<String>) {
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
    (message, Some(format!("API {api:?} has the version {}", versions.join(", "))))
}
