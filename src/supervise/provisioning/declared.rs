//! The objects of files, in the form that the API shows.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::admin::{DeclaredObjects, Object, WrittenIds, WrittenObject};
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
            // the directory has everything else of them
            _ => note_ids(&mut declared.ids, &members),
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

/// Notes the ids that a file writes for an application, its keys and its subscriptions.
fn note_ids(ids: &mut WrittenIds, members: &Map<String, Value>) {
    let application = text(members, "name");
    let written = |members: &Map<String, Value>| text(members, "id").parse::<Uuid>().ok();
    let id = written(members);
    let object = |name| WrittenObject { application: application.clone(), name };
    if let Some(id) = id {
        ids.add(Kind::Application, id, object(application.clone()));
    }
    let id = id.unwrap_or_else(|| ObjectId::declared(ObjectKind::Application, &application).into());
    let parts = |list: &str| members.get(list).and_then(Value::as_array).into_iter().flatten();
    for key in parts("keys").filter_map(Value::as_object) {
        let name = Record::key_name(&text(key, "key_manager"), &text(key, "consumer_key"));
        if let Some(id) = written(key) {
            ids.add(Kind::Key, id, object(name));
        }
    }
    for subscription in parts("subscriptions").filter_map(Value::as_object) {
        let name = Record::subscription_name(id, &text(subscription, "api"));
        if let Some(id) = written(subscription) {
            ids.add(Kind::Subscription, id, object(name));
        }
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
        let derived = Uuid::from(ObjectId::declared(ObjectKind::Api, "b:1"));
        let ids: Vec<Uuid> = shown.objects.iter().map(|own| own.record.id).collect();
        assert_eq!(ids, [id(1), derived, id(2)]);
        assert!(shown.objects.iter().all(|own| !own.record.declared.contains_key("id")));
        assert_eq!(shown.objects[2].record.name, id(2).to_string());
        let mut expected = WrittenIds::default();
        for (kind, number, name) in [
            (Kind::Application, 3, "shop".to_owned()),
            (Kind::Key, 4, Record::key_name("k", "c")),
            (Kind::Subscription, 5, Record::subscription_name(id(3), "a:1")),
        ] {
            let object = WrittenObject { application: "shop".to_owned(), name };
            expected.add(kind, id(number), object);
        }
        assert_eq!(shown.ids, expected);
    }
}
