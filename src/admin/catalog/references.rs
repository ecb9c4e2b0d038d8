//! What changed objects point to must still be there when they are kept.
//!
//! The preview has compared the names, but another call, or another gateway, can delete an object
//! in the meantime: the store compares again in the transaction.

use serde_json::{Map, Value};

use crate::admin::catalog::Catalog;
use crate::model::policy::{PolicyLevel, UNLIMITED, built_in};
use crate::store::{Change, Kind, Record, StoreError, WriteCondition};

impl Catalog {
    /// Returns the condition that no object of a kind is written from now on until the write. It is
    /// for kinds of which few are written, and which the caller reads next.
    pub async fn unwritten(&self, kind: Kind) -> Result<WriteCondition, StoreError> {
        Ok(WriteCondition::Unwritten { kind, since: self.store.head().await?.revision })
    }

    /// Returns a condition for each object of the store that one of these changes points to.
    pub(super) fn referenced(&self, changes: &[Change]) -> Vec<WriteCondition> {
        let written = changes.iter().filter_map(|change| match change {
            Change::Create(record) | Change::Update { record, .. } => Some(record),
            Change::Delete { .. } => None,
        });
        let made: Vec<_> = written.clone().map(|record| (record.kind, &*record.name)).collect();
        let mut named: Vec<_> = written.flat_map(references).collect();
        named.sort_unstable();
        named.dedup();
        let declared = self.declared.load();
        named.retain(|(kind, name)| {
            !is_built_in(*kind, name)
                && !made.contains(&(*kind, name))
                && !declared.of(*kind).any(|own| own.record.name == *name)
        });
        named.into_iter().map(|(kind, name)| WriteCondition::Named { kind, name }).collect()
    }
}

/// Returns the names that an object points to, with the kinds of their objects.
fn references(record: &Record) -> Vec<(Kind, String)> {
    let policy =
        |level: PolicyLevel, name: &str| (Kind::ThrottlingPolicy, Record::policy_name(level, name));
    let target = |kind| record.target.iter().map(move |name| (kind, name.clone()));
    let own_policy = |level| record.text("policy").map(|name| policy(level, name));
    match record.kind {
        Kind::Key => target(Kind::KeyManager).map(without_organization).collect(),
        Kind::Application => own_policy(PolicyLevel::Application).into_iter().collect(),
        Kind::Subscription => {
            target(Kind::Api).chain(own_policy(PolicyLevel::Subscription)).collect()
        }
        Kind::Api => {
            let offered = texts(&record.declared, "policies");
            let offered = offered.map(|name| policy(PolicyLevel::Subscription, name));
            let key_managers = texts(&record.declared, "key_managers");
            let key_managers = key_managers
                .map(|name| (Kind::KeyManager, name.to_owned()))
                .map(without_organization);
            let operations = record.declared.get("operations").and_then(Value::as_array);
            let operations = operations.into_iter().flatten().filter_map(Value::as_object);
            let tables = std::iter::once(&record.declared).chain(operations);
            let limits = tables.filter_map(|table| table.get("policy")?.as_str());
            let limits = limits.map(|name| policy(PolicyLevel::Advanced, name));
            offered.chain(key_managers).chain(limits).collect()
        }
        _ => Vec::new(),
    }
}

/// A key manager with many organizations is one object: `asgardeo/acme` is one of `asgardeo`.
fn without_organization((kind, name): (Kind, String)) -> (Kind, String) {
    let template = name.split_once('/').map(|(template, _)| template.to_owned());
    (kind, template.unwrap_or(name))
}

fn texts<'t>(table: &'t Map<String, Value>, key: &str) -> impl Iterator<Item = &'t str> {
    table.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn is_built_in(kind: Kind, name: &str) -> bool {
    kind == Kind::ThrottlingPolicy
        && (name.split_once(':').is_some_and(|(_, name)| name == UNLIMITED)
            || built_in().any(|own| Record::policy_name(own.level, &own.name) == name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn pointing(kind: Kind, target: Option<&str>, declared: Value) -> Vec<String> {
        let mut record = Record::new(kind, Uuid::nil(), "own");
        record.target = target.map(str::to_owned);
        record.declared = serde_json::from_value(declared).unwrap();
        references(&record).iter().map(|(kind, name)| format!("{} {name}", kind.as_str())).collect()
    }

    #[test]
    fn an_object_points_to_what_must_stay() {
        let api = json!({
            "policies": ["Gold", "Own"], "policy": "Fast", "key_managers": ["is7", "asgardeo/acme"],
            "operations": [{ "path": "/", "policy": "Slow" }, { "path": "/b" }],
        });
        assert_eq!(
            pointing(Kind::Api, None, api),
            [
                "throttling_policy subscription:Gold",
                "throttling_policy subscription:Own",
                "key_manager is7",
                "key_manager asgardeo",
                "throttling_policy advanced:Fast",
                "throttling_policy advanced:Slow",
            ]
        );
        let subscription = pointing(Kind::Subscription, Some("a:1"), json!({ "policy": "Gold" }));
        assert_eq!(subscription, ["api a:1", "throttling_policy subscription:Gold"]);
        let application = pointing(Kind::Application, None, json!({ "policy": "Own" }));
        assert_eq!(application, ["throttling_policy application:Own"]);
        assert_eq!(pointing(Kind::Key, Some("is7"), json!({})), ["key_manager is7"]);
        assert!(pointing(Kind::DenyCondition, None, json!({})).is_empty());
    }

    #[test]
    fn built_in_policies_are_always_there() {
        for name in ["subscription:Gold", "application:Unlimited", "advanced:Unlimited"] {
            assert!(is_built_in(Kind::ThrottlingPolicy, name), "{name}");
        }
        assert!(!is_built_in(Kind::ThrottlingPolicy, "advanced:Gold"));
        assert!(!is_built_in(Kind::Api, "subscription:Gold"));
    }
}
