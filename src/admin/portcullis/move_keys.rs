//! `POST /move-keys`: moves consumer keys from one key manager to another, all or none. It serves
//! the replacement of an authorization server, if the new one keeps the clients or their ids.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{WriteOptions, WriteRefused};
use crate::admin::devportal::key_managers::find;
use crate::admin::devportal::visible::children;
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Query, Record, StoreError, WriteCondition};

/// The most keys of one call, which is one transaction. Others follow by a call for more
/// applications.
const MOST_MOVED: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MoveBody {
    /// Names or ids of key managers.
    from: String,
    to: String,
    /// The keys of these applications; without it, all.
    application_ids: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MoveReport {
    from: String,
    to: String,
    moved: usize,
    /// Keys that a file declares stay: only the file can change them.
    declared: usize,
}

pub(super) async fn move_keys(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    body: JsonBody<MoveBody>,
) -> Result<Response, Refused> {
    caller.needs(&["admin"])?;
    let body = body.read()?;
    let from = key_manager(&admin, "from", &body.from).await?;
    let to = key_manager(&admin, "to", &body.to).await?;
    if from.record.name == to.record.name {
        return Err(Refused::bad_request("`to` is the key manager that the keys are of already"));
    }
    let of = body.application_ids.as_deref().map(ids).transpose()?;
    let (keys, declared) = keys_of(&admin, &from.record.name, of.as_ref()).await?;
    let target = &to.record.name;
    let mut changes = Vec::with_capacity(keys.len());
    for key in keys {
        free_at(&admin, &key, target).await?;
        let expected = Some(key.record.revision);
        changes.extend(moved(key.record, target).map(|record| Change::Update { record, expected }));
    }
    let count = changes.len();
    let answer =
        MoveReport { from: from.record.name.clone(), to: target.clone(), moved: count, declared };
    if changes.is_empty() {
        return Ok(axum::response::IntoResponse::into_response(Json(answer)));
    }
    let mut conditions = Vec::new();
    if to.declared_at.is_none() {
        conditions.push(WriteCondition::Exists { kind: Kind::KeyManager, id: to.record.id });
    }
    let written = admin.catalog.write(&caller, "move-keys", options, changes, conditions).await;
    let committed = written.map_err(|refused| match refused {
        WriteRefused::Store(StoreError::Taken { kind: Kind::Key, .. }) => {
            conflict("a key came to the other key manager meanwhile; try again".to_owned())
        }
        other => other.into(),
    })?;
    Ok(committed.respond(Json(answer)))
}

async fn key_manager(admin: &Admin, field: &str, name: &str) -> Result<Object, Refused> {
    let found = find(admin, name).await?;
    found.ok_or_else(|| {
        let message = "Key Manager not Registered";
        let description = format!("`{field}` names no key manager");
        Refused::new(StatusCode::BAD_REQUEST, 901_403, message, description)
    })
}

fn ids(texts: &[String]) -> Result<BTreeSet<Uuid>, Refused> {
    let id = |text: &String| {
        object_id(text).ok_or_else(|| Refused::bad_request("`applicationIds` has what is no id"))
    };
    texts.iter().map(id).collect()
}

/// Returns the keys to move, and the number of those that a file declares.
async fn keys_of(
    admin: &Admin,
    key_manager: &str,
    of: Option<&BTreeSet<Uuid>>,
) -> Result<(Vec<Object>, usize), Refused> {
    let query = Query { target: Some(key_manager.to_owned()), ..Query::of(Kind::Key) };
    let mut next = Some(query);
    let (mut keys, mut declared) = (Vec::new(), 0_usize);
    while let Some(query) = next {
        let page = admin.catalog.page(&query).await?;
        next = query.after(&page);
        for key in page.items {
            let wanted =
                of.is_none_or(|of| key.record.parent.is_some_and(|parent| of.contains(&parent)));
            match (wanted, &key.declared_at) {
                (false, _) => {}
                (true, Some(_)) => declared = declared.saturating_add(1),
                (true, None) => keys.push(key),
            }
        }
        if keys.len() > MOST_MOVED {
            let description =
                format!("a call moves {MOST_MOVED} keys at most; name `applicationIds`");
            return Err(Refused::bad_request(description));
        }
    }
    Ok((keys, declared))
}

/// Refuses a key whose place or whose client is taken at the other key manager.
async fn free_at(admin: &Admin, key: &Object, target: &str) -> Result<(), Refused> {
    let Some(application) = key.record.parent else { return Ok(()) };
    let consumer_key = key.record.text("consumer_key").unwrap_or_default();
    let own = children(admin, Kind::Key, application).await?;
    let same = own.iter().any(|other| {
        other.record.target.as_deref() == Some(target)
            && other.record.text("type") == key.record.text("type")
    });
    if same {
        return Err(conflict(format!(
            "application {application} has a key of this type at \"{target}\" already"
        )));
    }
    let name = Record::key_name(target, consumer_key);
    if admin.catalog.named(Kind::Key, &name).await?.is_some() {
        return Err(conflict(format!(
            "consumer key \"{consumer_key}\" of \"{target}\" belongs to an application already"
        )));
    }
    Ok(())
}

fn conflict(description: String) -> Refused {
    Refused::new(StatusCode::CONFLICT, 901_409, "Key Mappings already exists", description)
}

/// The record of a key at another key manager.
fn moved(mut record: Record, target: &str) -> Option<Record> {
    let consumer_key = record.text("consumer_key")?;
    record.name = Record::key_name(target, consumer_key);
    record.place = Some(Record::key_place(record.parent?, target, record.text("type")?));
    record.target = Some(target.to_owned());
    record.declared.insert("key_manager".to_owned(), json!(target));
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::devportal::key::{ShownKeyType, record};

    #[test]
    fn a_key_that_moves_is_like_one_that_was_made_there() {
        let application = Uuid::from_u128(1);
        let before = record(application, "old", ShownKeyType::Sandbox, "client", "MAPPED");
        let id = before.id;
        let mut expected = record(application, "new", ShownKeyType::Sandbox, "client", "MAPPED");
        expected.id = id;
        assert_eq!(moved(before, "new"), Some(expected));
    }
}
