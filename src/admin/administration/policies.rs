//! Throttling policies: application, subscription, advanced and custom.

mod attached;
mod body;
mod conditions;
mod custom;
mod figures;
mod read;
mod search;
mod shown;
mod transfer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::administration::policies::body::PolicyBody;
use crate::admin::administration::policies::read::{PolicyDraft, draft};
use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{Catalog, Committed, WriteOptions, WriteRefused};
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::policy::PolicyLevel;
use crate::store::{Change, Kind, Record, StoreError};

const VIEW: &[&str] = &["admin", "tier_view", "admin_tier_view"];
const MANAGE: &[&str] = &["admin", "tier_manage", "admin_tier_manage"];
const DELETE: &[&str] = &["admin", "tier_manage", "admin_tier_manage", "policies_import_export"];

/// Keys of the declared form that WSO2's forms do not have. They came with an import, and stay.
const UNSAID: [&str; 4] = ["per_user", "observe", "sync_interval", "quotas"];

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/throttling/policies/search", get(search::search))
        .route("/throttling/policies/export", get(transfer::export))
        .route("/throttling/policies/import", post(transfer::import))
        .route("/throttling/policies/{level}", get(list).post(create))
        .route("/throttling/policies/{level}/{id}", get(show).put(update).delete(delete))
}

async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(level): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(VIEW)?;
    let level = level_of(&level)?;
    let all = every(&admin.catalog).await?;
    let list: Vec<_> = all.iter().filter(|own| is_of(own, level)).map(shown::policy).collect();
    Ok(Json(json!({ "count": list.len(), "list": list })).into_response())
}

async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(level): Path<String>,
    options: WriteOptions,
    OriginalUri(uri): OriginalUri,
    body: JsonBody<PolicyBody>,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let body = body.read()?;
    let level = level_of(&level)?;
    let draft = draft(level, &body)?;
    if named(&admin.catalog, level, &draft.name).await?.is_some() {
        return Err(taken(&draft.name));
    }
    let committed = keep(&admin, &caller, options, level, draft).await?;
    let mut response = answer(&committed, StatusCode::CREATED);
    let id = committed.records.first().map(|record| record.id);
    let place = id.and_then(|id| HeaderValue::from_str(&format!("{}/{id}", uri.path())).ok());
    if let Some(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((level, id)): Path<(String, String)>,
    seen: IfNoneMatch,
) -> Result<Response, Refused> {
    caller.needs(VIEW)?;
    let object = find(&admin.catalog, level_of(&level)?, &id).await?;
    Ok(seen.respond(&object, "", Json(shown::policy(&object))))
}

async fn update(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((level, id)): Path<(String, String)>,
    options: WriteOptions,
    expected: IfMatch,
    body: JsonBody<PolicyBody>,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let body = body.read()?;
    let level = level_of(&level)?;
    let object = find(&admin.catalog, level, &id).await?;
    let draft = draft(level, &body)?;
    if shown::level_and_name(&object.record) != Some((level, draft.name.as_str())) {
        return Err(Refused::bad_request("`policyName` cannot be changed"));
    }
    let committed = if is_built_in(&object) {
        keep(&admin, &caller, options, level, draft).await?
    } else {
        replace(&admin, &caller, options, object, &expected, draft).await?
    };
    Ok(answer(&committed, StatusCode::OK))
}

async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((level, id)): Path<(String, String)>,
    options: WriteOptions,
    expected: IfMatch,
) -> Result<Response, Refused> {
    caller.needs(DELETE)?;
    let level = level_of(&level)?;
    let object = find(&admin.catalog, level, &id).await?;
    object.changeable("throttling policy")?;
    let expected = expected.expect(&object)?;
    let name = object.record.name.clone();
    // without it, the built-in one of its name is in force again
    let has_successor = shown::built_in_policies().any(|own| own.record.name == name);
    let mut conditions = Vec::new();
    if !has_successor {
        let unwritten = admin.catalog.unwritten(Kind::Api).await?;
        if attached::is_attached(&admin.catalog, level, &object).await? {
            return Err(in_use());
        }
        conditions = attached::unheld(level, &object);
        conditions.push(unwritten);
    }
    let changes =
        vec![Change::Delete { kind: Kind::ThrottlingPolicy, id: object.record.id, expected }];
    let written = admin.catalog.write(&caller, "delete-policy", options, changes, conditions).await;
    Ok(written.map_err(|refused| of_write(refused, &name))?.respond(StatusCode::OK))
}

/// Makes a policy. One of a built-in name has the id under which that one is known.
async fn keep(
    admin: &Admin,
    caller: &Caller,
    options: WriteOptions,
    level: PolicyLevel,
    draft: PolicyDraft,
) -> Result<Committed, Refused> {
    let name = Record::policy_name(level, &draft.name);
    let replaces = shown::built_in_policies().any(|own| own.record.name == name);
    let id = if replaces { shown::derived_id(&name) } else { Uuid::new_v4() };
    let mut record = Record::new(Kind::ThrottlingPolicy, id, name);
    record.declared = draft.declared;
    record.extra = draft.extra;
    let changes = vec![Change::Create(record)];
    let written = admin.catalog.write(caller, "create-policy", options, changes, Vec::new()).await;
    written.map_err(|refused| of_write(refused, &draft.name))
}

/// Replaces a policy of the store.
async fn replace(
    admin: &Admin,
    caller: &Caller,
    options: WriteOptions,
    object: Object,
    expected: &IfMatch,
    draft: PolicyDraft,
) -> Result<Committed, Refused> {
    object.changeable("throttling policy")?;
    let expected = expected.expect(&object)?;
    let mut record = object.record;
    let old = std::mem::replace(&mut record.declared, draft.declared);
    for (key, value) in old {
        let unsaid = UNSAID.contains(&key.as_str()) || key == "stop_on_quota_reach";
        if unsaid && !record.declared.contains_key(&key) {
            record.declared.insert(key, value);
        }
    }
    record.extra = draft.extra;
    let changes = vec![Change::Update { record, expected }];
    let written = admin.catalog.write(caller, "update-policy", options, changes, Vec::new()).await;
    written.map_err(|refused| of_write(refused, &draft.name))
}

/// Returns all policies by name: written ones, and built-in ones that none replaces.
async fn every(catalog: &Catalog) -> Result<Vec<Object>, StoreError> {
    let mut all = catalog.all(Kind::ThrottlingPolicy).await?;
    for own in shown::built_in_policies() {
        if !all.iter().any(|other| other.record.name == own.record.name) {
            all.push(own);
        }
    }
    all.sort_by(|one, other| one.record.name.cmp(&other.record.name));
    Ok(all)
}

async fn named(
    catalog: &Catalog,
    level: PolicyLevel,
    name: &str,
) -> Result<Option<Object>, StoreError> {
    let name = Record::policy_name(level, name);
    if let Some(written) = catalog.named(Kind::ThrottlingPolicy, &name).await? {
        return Ok(Some(written));
    }
    Ok(shown::built_in_policies().find(|own| own.record.name == name))
}

async fn find(catalog: &Catalog, level: PolicyLevel, id: &str) -> Result<Object, Refused> {
    let mut found = None;
    if let Some(id) = object_id(id) {
        found = catalog.get(Kind::ThrottlingPolicy, id).await?;
        if found.is_none() {
            found = every(catalog).await?.into_iter().find(|own| own.record.id == id);
        }
    }
    found
        .filter(|own| is_of(own, level))
        .ok_or_else(|| Refused::not_found("there is no policy of this level with this id"))
}

fn is_of(object: &Object, level: PolicyLevel) -> bool {
    shown::level_and_name(&object.record).is_some_and(|(own, _)| own == level)
}

fn is_built_in(object: &Object) -> bool {
    object.declared_at.as_deref() == Some(shown::BUILT_IN)
}

fn level_of(text: &str) -> Result<PolicyLevel, Refused> {
    let found = PolicyLevel::ALL.into_iter().find(|level| level.as_str() == text);
    found.ok_or_else(|| Refused::not_found("there are application, subscription, advanced, custom"))
}

fn answer(committed: &Committed, status: StatusCode) -> Response {
    let object = committed.records.first().cloned().map(Object::kept);
    let body = object.as_ref().map_or(Value::Null, shown::policy);
    committed.respond_tagged((status, Json(body)))
}

fn of_write(refused: WriteRefused, name: &str) -> Refused {
    match refused {
        WriteRefused::Store(StoreError::Taken { .. }) => taken(name),
        WriteRefused::Store(StoreError::InUse { .. }) => in_use(),
        other => other.into(),
    }
}

fn taken(name: &str) -> Refused {
    Refused::conflict(format!("there is a policy {name:?} of this level"))
}

fn in_use() -> Refused {
    let description = "an API, an application or a subscription has this policy";
    Refused::new(StatusCode::FORBIDDEN, 900_971, "The policy is in use", description)
}
