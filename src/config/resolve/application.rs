//! Reads `[[applications]]` with their keys and subscriptions.

use std::borrow::Cow;

use crate::config::reader::{Placed, Table};
use crate::config::resolve::references::{self, References};
use crate::config::resolve::root_tables::RootTables;
use crate::config::source::Sources;
use crate::model::application::{
    Application, ApplicationAttributes, ApplicationName, ConsumerKey, InvalidApplication,
    KeyMapping, KeyMappings, KeyType, OrganizationName, Owner, Subscription, SubscriptionState,
    Subscriptions,
};
use crate::model::directory::DirectoryBuilder;
use crate::model::names::InvalidName;
use crate::model::policy::{PolicyIndex, PolicyLevel};

pub(super) fn applications(
    roots: &RootTables<'_>,
    sources: &Sources,
    references: &References,
    directory: &mut DirectoryBuilder,
) {
    for table in roots.every("applications") {
        let Some(application) = application(&table, sources, references) else { continue };
        if let Err(conflict) = directory.add(&application) {
            let message = conflict.to_string();
            match conflict.other().map(|other| sources.at(other)) {
                Some(other) => table.problems().conflict(table.at(), other, message, None),
                None => table.problems().error(table.at(), message, None),
            }
        }
    }
}

/// Reads the whole table before it gives up, so that all of its errors are reported at once.
fn application<'a>(
    table: &Table<'a>,
    sources: &Sources,
    references: &References,
) -> Option<Application<'a>> {
    let name: Option<ApplicationName<'a>> =
        table.needed("name").and_then(|name| valid(&name, table, "name"));
    let owner = match table.text("owner") {
        Some(owner) => valid(&owner, table, "owner"),
        None => Owner::try_from("").ok(),
    };
    let organization: Option<Option<OrganizationName<'a>>> = match table.text("organization") {
        Some(organization) => valid(&organization, table, "organization").map(Some),
        None => Some(None),
    };
    let attributes = table.named_texts("attributes").into_iter();
    let attributes = attributes
        .map(|(name, value)| (Cow::Borrowed(name.value), Cow::Borrowed(value.value)))
        .collect();
    let attributes = unbroken(ApplicationAttributes::new(&attributes), table);
    let keys = table.tables("keys");
    let written = |table: &Table<'_>, key| table.text(key).map(|text| text.value.to_owned());
    let keys =
        keys.iter().filter(|key| !references.misses_key_manager(|| written(key, "key_manager")));
    let keys: Vec<_> = keys.filter_map(|key| key_mapping(key, references)).collect();
    let keys = unbroken(KeyMappings::try_from(keys), table);
    let subscriptions = table.tables("subscriptions");
    let subscriptions =
        subscriptions.iter().filter(|own| !references.misses_api(|| written(own, "api")));
    let subscriptions: Vec<_> =
        subscriptions.filter_map(|table| subscription(table, references)).collect();
    let subscriptions = unbroken(Subscriptions::try_from(subscriptions), table);
    Some(Application {
        name: name?,
        owner: owner?,
        organization: organization?,
        policy: references::policy(table, "policy", PolicyLevel::Application, references),
        attributes: attributes?,
        // only the management API sets counts back
        quota_resets: None,
        keys: keys?,
        subscriptions: subscriptions?,
        place: sources.place(&table.at()),
    })
}

/// Returns a string as one of the model's types, or reports the rule that it breaks.
fn valid<'t, T>(text: &Placed<&'t str>, table: &Table<'_>, key: &str) -> Option<T>
where
    T: TryFrom<&'t str, Error = InvalidName>,
{
    let valid = T::try_from(text.value);
    valid
        .map_err(|error| {
            let message = format!("`{}` {error}", table.path(key));
            table.problems().error(text.at.clone(), message, None);
        })
        .ok()
}

fn unbroken<T>(list: Result<T, InvalidApplication>, table: &Table<'_>) -> Option<T> {
    list.map_err(|error| table.problems().error(table.at(), error.to_string(), None)).ok()
}

fn key_mapping<'a>(table: &Table<'a>, references: &References) -> Option<KeyMapping<'a>> {
    let key_type =
        match table.needed("type").and_then(|_| table.choice("type", &["production", "sandbox"])) {
            Some("production") => Some(KeyType::Production),
            Some(_) => Some(KeyType::Sandbox),
            None => None,
        };
    let key_manager = table
        .needed("key_manager")
        .and_then(|name| references::key_manager(&name, references, table.problems()));
    let consumer_key = table.needed("consumer_key");
    let consumer_key: Option<ConsumerKey<'a>> =
        consumer_key.and_then(|text| valid(&text, table, "consumer_key"));
    Some(KeyMapping { key_manager: key_manager?, key_type: key_type?, consumer_key: consumer_key? })
}

fn subscription(table: &Table<'_>, references: &References) -> Option<Subscription> {
    let api =
        table.needed("api").and_then(|name| references::api(&name, references, table.problems()));
    let state = match table
        .choice("status", &["unblocked", "blocked", "prod_only_blocked", "on_hold", "rejected"])
    {
        Some("blocked") => SubscriptionState::Blocked,
        Some("prod_only_blocked") => SubscriptionState::ProdOnlyBlocked,
        Some("on_hold") => SubscriptionState::OnHold,
        Some("rejected") => SubscriptionState::Rejected,
        // an unknown value is reported already, and this default opens nothing that the file closes
        _ => SubscriptionState::Unblocked,
    };
    let policy = match table.text("policy") {
        None => PolicyIndex::UNLIMITED,
        Some(name) => {
            let level = PolicyLevel::Subscription;
            references::named_policy(&name, level, references, table.problems())?
        }
    };
    if let Err((message, hint)) = references.offers(api?, policy) {
        table.error("policy", message, hint);
    }
    Some(Subscription { api: api?, state, policy })
}
