//! A revision of an API: its content at the time when the revision was made.
//!
//! An API has one content, which is in force. A revision is a copy of it that can be brought back.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::object::Object;
use crate::admin::publisher::state::{PublicationState, is_served, is_undeployed, put};
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::timestamp::rfc3339;
use crate::store::{Change, Kind, Query, Record};

/// WSO2's limit.
pub(super) const MOST_REVISIONS: usize = 5;

/// The only environment: all gateways that share the store.
pub(super) const ENVIRONMENT: &str = "Default";

/// The host that a deployment without one has in an answer, as WSO2's first environment has it.
const HOST: &str = "localhost";

/// Fields of the state: they are not content.
const STATE: [&str; 3] = ["lifecycle", "lifeCycleStatus", "undeployed"];

/// Returns the revisions of an API, the oldest first. A served API always has one, even if none was
/// made.
pub(super) async fn revisions(admin: &Admin, api: &Object) -> Result<Vec<Object>, Refused> {
    let query = Query { parent: Some(api.record.id), ..Query::of(Kind::ApiRevision) };
    let mut all = admin.catalog.every(query).await?;
    all.sort_by_key(|own| number(&own.record));
    if all.is_empty() && is_served(&api.record) {
        let mut record = made(api.record.id, 1, &api.record, "");
        record.id = api.record.id;
        record.created_at = api.record.updated_at;
        record.updated_at = api.record.updated_at;
        record.extra.insert("deployed".to_owned(), json!(true));
        let declared_at = api.declared_at.clone();
        all.push(Object { record, declared_at });
    }
    Ok(all)
}

/// Makes a revision of the present content.
pub(super) fn made(api: Uuid, number: u64, content: &Record, description: &str) -> Record {
    let mut record = Record::new(Kind::ApiRevision, Uuid::new_v4(), format!("{api}\n{number}"));
    record.parent = Some(api);
    record.extra = Map::from_iter([
        ("number".to_owned(), json!(number)),
        ("description".to_owned(), json!(description)),
        // a text, so that the audit log tells its length and not the whole API once more
        ("content".to_owned(), json!(content_of(content).to_string())),
    ]);
    record
}

pub(super) fn number(revision: &Record) -> u64 {
    revision.extra.get("number").and_then(Value::as_u64).unwrap_or_default()
}

pub(super) fn is_deployed(revision: &Record) -> bool {
    revision.extra.get("deployed") == Some(&json!(true))
}

fn content_of(api: &Record) -> Value {
    let without = |members: &Map<String, Value>| -> Map<String, Value> {
        let own = members.iter().filter(|(key, _)| !STATE.contains(&key.as_str()));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    json!([without(&api.declared), without(&api.extra)])
}

fn content(revision: &Record) -> &str {
    revision.extra.get("content").and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn has_content_of(revision: &Record, api: &Record) -> bool {
    serde_json::from_str(content(revision)).is_ok_and(|own: Value| own == content_of(api))
}

/// Brings the content of a revision back. The state stays.
pub(super) fn restore(api: &mut Record, revision: &Record) -> Result<(), Refused> {
    let Ok([declared, extra]) = serde_json::from_str::<[Map<String, Value>; 2]>(content(revision))
    else {
        let description = "the content of the revision cannot be read";
        return Err(Refused::plain(http::StatusCode::INTERNAL_SERVER_ERROR, description));
    };
    let (state, undeployed) = (PublicationState::of(api), is_undeployed(api));
    api.declared = declared;
    api.extra = extra;
    put(api, state, undeployed);
    Ok(())
}

/// Marks one revision as the deployed one, or none. `mark` has its id, its host and its visibility
/// in the portal.
pub(super) fn marks(revisions: &[Object], mark: Option<(Uuid, &str, bool)>) -> Vec<Change> {
    let mut changes = Vec::new();
    // the revision that stands for none has no record
    for revision in revisions.iter().filter(|own| own.record.parent != Some(own.record.id)) {
        let own = mark.filter(|(id, ..)| *id == revision.record.id);
        if own.is_none() && !is_deployed(&revision.record) {
            continue;
        }
        let mut record = revision.record.clone();
        let expected = Some(record.revision);
        for key in ["deployed", "vhost", "displayOnDevportal"] {
            record.extra.remove(key);
        }
        if let Some((_, host, shown)) = own {
            record.extra.insert("deployed".to_owned(), json!(true));
            record.extra.insert("vhost".to_owned(), json!(host));
            record.extra.insert("displayOnDevportal".to_owned(), json!(shown));
        }
        if record != revision.record {
            changes.push(Change::Update { record, expected });
        }
    }
    changes
}

/// Returns the changes that give a served API a deployed revision: the latest one of this content,
/// or a new one.
pub(super) async fn deployed_with(
    admin: &Admin,
    api: &Object,
    content: &Record,
) -> Result<Vec<Change>, Refused> {
    let query = Query { parent: Some(api.record.id), ..Query::of(Kind::ApiRevision) };
    let mut all = admin.catalog.every(query).await?;
    all.sort_by_key(|own| number(&own.record));
    if all.iter().any(|own| is_deployed(&own.record)) {
        return Ok(Vec::new());
    }
    if let Some(same) = all.iter().rfind(|own| has_content_of(&own.record, content)) {
        return Ok(marks(&all, Some((same.record.id, HOST, true))));
    }
    if all.len() >= MOST_REVISIONS {
        return Err(too_many());
    }
    let next = all.last().map_or(0, |last| number(&last.record)).saturating_add(1);
    let mut record = made(api.record.id, next, content, "");
    record.extra.insert("deployed".to_owned(), json!(true));
    Ok(vec![Change::Create(record)])
}

pub(super) fn too_many() -> Refused {
    let description = format!("an API has at most {MOST_REVISIONS} revisions; delete one first");
    let message = "Can not create API Revision ";
    Refused::new(http::StatusCode::BAD_REQUEST, 900_351, message, description)
}

pub(super) fn shown(revision: &Object) -> Value {
    let record = &revision.record;
    let deployments: Vec<_> = deployment(record).into_iter().collect();
    json!({
        "displayName": format!("Revision {}", number(record)),
        "id": record.id,
        "description": record.extra.get("description"),
        "createdTime": rfc3339(record.created_at),
        "apiInfo": { "id": record.parent },
        "deploymentInfo": deployments,
    })
}

/// Returns the deployment of a revision; `None` if it is not the deployed one.
pub(super) fn deployment(revision: &Record) -> Option<Value> {
    if !is_deployed(revision) {
        return None;
    }
    let host = revision.extra.get("vhost").cloned().unwrap_or_else(|| json!(HOST));
    let shown = revision.extra.get("displayOnDevportal").cloned();
    let time = rfc3339(revision.updated_at);
    Some(json!({
        "revisionUuid": revision.id,
        "name": ENVIRONMENT,
        "status": "APPROVED",
        "vhost": host,
        "displayOnDevportal": shown.unwrap_or(Value::Bool(true)),
        "deployedTime": time,
        "successDeployedTime": time,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(policy: &str, state: PublicationState) -> Record {
        let mut record = Record::new(Kind::Api, Uuid::nil(), "a:1");
        record.declared.insert("policy".to_owned(), json!(policy));
        record.extra.insert("tags".to_owned(), json!([policy]));
        put(&mut record, state, false);
        record
    }

    #[test]
    fn a_revision_brings_content_back_and_leaves_the_state() {
        let old = api("one", PublicationState::Created);
        let revision = made(old.id, 1, &old, "first");
        assert!(has_content_of(&revision, &api("one", PublicationState::Published)));
        let mut new = api("two", PublicationState::Blocked);
        assert!(!has_content_of(&revision, &new));
        restore(&mut new, &revision).unwrap();
        assert_eq!(new, api("one", PublicationState::Blocked));
    }

    #[test]
    fn one_revision_is_deployed_at_a_time() {
        let content = api("one", PublicationState::Published);
        let mut all: Vec<_> =
            (1..4).map(|number| Object::kept(made(content.id, number, &content, ""))).collect();
        all[0].record.extra.insert("deployed".to_owned(), json!(true));
        let changes = marks(&all, Some((all[2].record.id, "api.bank.example", false)));
        let deployed: Vec<_> = changes
            .iter()
            .map(|change| match change {
                Change::Update { record, .. } => (number(record), deployment(record).is_some()),
                _ => panic!("{change:?}"),
            })
            .collect();
        assert_eq!(deployed, [(1, false), (3, true)]);
        assert_eq!(marks(&all, None).len(), 1);
    }
}
