//! The objects of files, in the form that the API shows.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::admin::{DeclaredObjects, Object};
use crate::config::DeclaredTable;
use crate::model::gateway::PortalSettings;
use crate::model::identity::{ObjectId, ObjectKind};
use crate::store::{Kind, Record};

/// Makes objects of the tables of files. `portal` is shown with them.
pub(in crate::supervise) fn declared_objects(
    tables: Vec<DeclaredTable>,
    portal: PortalSettings,
) -> DeclaredObjects {
    let mut declared = DeclaredObjects { portal, ..DeclaredObjects::default() };
    for DeclaredTable { list, members, place } in tables {
        match list {
            "key_managers" => {
                let name = text(&members, "name");
                let record = named(Kind::KeyManager, ObjectKind::KeyManager, name, members);
                declared.objects.push(Object::declared(record, place));
            }
            "apis" => {
                let name = format!("{}:{}", text(&members, "name"), text(&members, "version"));
                let record = named(Kind::Api, ObjectKind::Api, name, members);
                declared.objects.push(Object::declared(record, place));
            }
            "throttling_policies" => {
                let name = format!("{}:{}", text(&members, "level"), text(&members, "name"));
                let kind = (Kind::ThrottlingPolicy, ObjectKind::ThrottlingPolicy);
                let record = named(kind.0, kind.1, name, members);
                declared.objects.push(Object::declared(record, place));
            }
            "deny_conditions" => {
                let name = format!("{}:{}", text(&members, "type"), text(&members, "value"));
                let mut record =
                    named(Kind::DenyCondition, ObjectKind::DenyCondition, name, members);
                record.name = record.id.to_string();
                declared.objects.push(Object::declared(record, place));
            }
            _ => application(&mut declared.applications, members, &place),
        }
    }
    declared
}

fn text(members: &Map<String, Value>, key: &str) -> String {
    members.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn named(kind: Kind, object: ObjectKind, name: String, mut members: Map<String, Value>) -> Record {
    let written = members.remove("id").and_then(|id| id.as_str()?.parse().ok());
    let id = written.unwrap_or_else(|| Uuid::from(ObjectId::declared(object, &name)));
    Record { declared: members, ..Record::new(kind, id, name) }
}

/// An application becomes several objects: itself, its keys, its subscriptions.
fn application(objects: &mut Vec<Object>, mut members: Map<String, Value>, place: &str) {
    let name = text(&members, "name");
    let parts = |members: &mut Map<String, Value>, key: &str| match members.remove(key) {
        Some(Value::Array(all)) => all
            .into_iter()
            .filter_map(|own| match own {
                Value::Object(own) => Some(own),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let keys: Vec<Map<String, Value>> = parts(&mut members, "keys");
    let subscriptions: Vec<Map<String, Value>> = parts(&mut members, "subscriptions");
    let mut record = named(Kind::Application, ObjectKind::Application, name, members);
    record.owner = Some(text(&record.declared, "owner"));
    let id = record.id;
    objects.push(Object::declared(record, place.to_owned()));
    for key in keys {
        let (key_manager, consumer_key) = (text(&key, "key_manager"), text(&key, "consumer_key"));
        let key_type = text(&key, "type");
        let name = Record::key_name(&key_manager, &consumer_key);
        let record = Record {
            parent: Some(id),
            place: Some(Record::key_place(id, &key_manager, &key_type)),
            target: Some(key_manager),
            ..named(Kind::Key, ObjectKind::Key, name, key)
        };
        objects.push(Object::declared(record, place.to_owned()));
    }
    for subscription in subscriptions {
        let api = text(&subscription, "api");
        let name = Record::subscription_name(id, &api);
        let record = Record {
            parent: Some(id),
            target: Some(api),
            ..named(Kind::Subscription, ObjectKind::Subscription, name, subscription)
        };
        objects.push(Object::declared(record, place.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_written_id_is_the_objects_id_and_others_are_derived() {
        let table = |list, members| {
            let members = serde_json::from_value(members).unwrap();
            DeclaredTable { list, members, place: "gateway.toml:1".to_owned() }
        };
        let id = |number: u128| Uuid::from_u128(number);
        let tables = vec![
            table("apis", json!({ "name": "a", "version": "1", "id": id(1) })),
            table("apis", json!({ "name": "b", "version": "1" })),
            table("deny_conditions", json!({ "type": "ip", "value": "x", "id": id(2) })),
            table(
                "applications",
                json!({
                    "name": "shop", "id": id(3),
                    "keys": [{ "key_manager": "k", "consumer_key": "c", "id": id(4) }],
                    "subscriptions": [{ "api": "a:1", "id": id(5) }]
                }),
            ),
        ];
        let shown = declared_objects(tables, PortalSettings::default());
        let all: Vec<&Record> =
            shown.objects.iter().chain(&shown.applications).map(|own| &own.record).collect();
        let derived = Uuid::from(ObjectId::declared(ObjectKind::Api, "b:1"));
        let ids: Vec<Uuid> = all.iter().map(|own| own.id).collect();
        assert_eq!(ids, [id(1), derived, id(2), id(3), id(4), id(5)]);
        assert!(all.iter().all(|own| !own.declared.contains_key("id")));
        assert_eq!((all[2].name.clone(), all[4].parent), (id(2).to_string(), Some(id(3))));
    }
}
