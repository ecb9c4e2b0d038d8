//! Users that the store keeps, for administrators. Users of the file are shown too.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use serde::Deserialize;
use uuid::Uuid;

use crate::admin::access::{has_name, refused};
use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::paging::PageQuery;
use crate::admin::portcullis::user_body::{
    ChangedUser, NewUser, UserView, fill, id_in_file, record, valid_password, valid_rights,
};
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Query, Record};

/// The scopes; a caller needs one of them.
const SCOPES: &[&str] = &["admin", "user_manage"];

/// A page of users, or the one of a name.
#[derive(Debug, Default, Deserialize)]
pub(super) struct UserFilters {
    /// The beginning of the names to list.
    name: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
}

/// Answers `GET /users`: those of the file first, then those of the store, by name.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: Uri,
    Parameters(filters): Parameters<UserFilters>,
) -> Result<Response, Refused> {
    caller.needs(SCOPES)?;
    let range = PageQuery { limit: filters.limit, offset: filters.offset }.range()?;
    let prefix = filters.name.unwrap_or_default();
    let in_file: Vec<_> =
        admin.access.users.iter().filter(|user| user.name.starts_with(&prefix)).collect();
    let (mut list, count) = range.of(in_file.into_iter().map(UserView::of_file).collect());
    let mut query = Query::of(Kind::User);
    query.prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
    query.offset = range.offset.saturating_sub(count);
    query.limit = range.limit.saturating_sub(list.len() as u64);
    let kept = admin.catalog.store().list(&query).await?;
    list.extend(kept.items.iter().map(UserView::of_record));
    Ok(range.respond(&uri, list, kept.total.saturating_add(count)))
}

/// Answers `POST /users`.
pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    body: JsonBody<NewUser>,
) -> Result<Response, Refused> {
    caller.needs(SCOPES)?;
    let body = body.read()?;
    has_name(&body.name)?;
    valid_password("password", &body.name, &body.password)?;
    valid_rights(&body.roles, &body.groups)?;
    refuse_name_of_file(&admin, &body.name)?;
    let hash = admin.access.passwords.hash(body.password).await.map_err(refused)?;
    let mut user = record(Uuid::new_v4(), &body.name);
    fill(&mut user, Some(&hash), &body.roles, &body.groups, body.disabled);
    let changes = vec![Change::Create(user)];
    let committed =
        admin.catalog.write(&caller, "create-user", options, changes, Vec::new()).await?;
    let view = committed.records.first().map(UserView::of_record);
    Ok(committed.respond((StatusCode::CREATED, Json(view))))
}

/// Answers `GET /users/{id}`.
pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    known: IfNoneMatch,
) -> Result<Response, Refused> {
    caller.needs(SCOPES)?;
    if let Some(user) = admin.access.users.iter().find(|user| id_in_file(user).to_string() == id) {
        return Ok(Json(UserView::of_file(user)).into_response());
    }
    let user = kept(&admin, &id).await?;
    let view = Json(UserView::of_record(&user));
    Ok(known.respond(&Object::kept(user), "", view))
}

/// Answers `PUT /users/{id}`.
pub(super) async fn update(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    options: WriteOptions,
    matches: IfMatch,
    body: JsonBody<ChangedUser>,
) -> Result<Response, Refused> {
    caller.needs(SCOPES)?;
    let body = body.read()?;
    let user = kept(&admin, &id).await?;
    if body.name.as_ref().is_some_and(|name| *name != user.name) {
        return Err(Refused::bad_request("`name` cannot be changed"));
    }
    valid_rights(&body.roles, &body.groups)?;
    let hash = match body.password {
        Some(password) => {
            valid_password("password", &user.name, &password)?;
            Some(admin.access.passwords.hash(password).await.map_err(refused)?)
        }
        None => None,
    };
    let expected = matches.expect(&Object::kept(user.clone()))?;
    let mut user = user;
    fill(&mut user, hash.as_ref(), &body.roles, &body.groups, body.disabled);
    let changes = vec![Change::Update { record: user, expected }];
    let committed =
        admin.catalog.write(&caller, "update-user", options, changes, Vec::new()).await?;
    let view = committed.records.first().map(UserView::of_record);
    Ok(committed.respond(Json(view)))
}

/// Answers `DELETE /users/{id}`. The user's clients of the API go with it, and
/// what is noted of its tokens; applications stay.
pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    options: WriteOptions,
    matches: IfMatch,
) -> Result<Response, Refused> {
    caller.needs(SCOPES)?;
    let user = kept(&admin, &id).await?;
    let expected = matches.expect(&Object::kept(user.clone()))?;
    let mut own = Vec::new();
    for kind in [Kind::ManagementClient, Kind::EndedToken] {
        let query = Query { owner: Some(user.name.clone()), ..Query::of(kind) };
        own.extend(admin.catalog.store().list(&query).await?.items);
    }
    let mut changes = vec![Change::Delete { kind: Kind::User, id: user.id, expected }];
    changes.extend(own.into_iter().map(|own| Change::Delete {
        kind: own.kind,
        id: own.id,
        expected: None,
    }));
    let committed =
        admin.catalog.write(&caller, "delete-user", options, changes, Vec::new()).await?;
    Ok(committed.respond(StatusCode::OK))
}

/// Refuses a name that a user of the file has, in whatever case.
pub(super) fn refuse_name_of_file(admin: &Admin, name: &str) -> Result<(), Refused> {
    if admin.access.users.iter().any(|user| user.name.eq_ignore_ascii_case(name)) {
        return Err(Refused::conflict("another user has this name"));
    }
    Ok(())
}

/// Returns a user of the store; one of the file can be changed in the file only.
async fn kept(admin: &Admin, id: &str) -> Result<Record, Refused> {
    if admin.access.users.iter().any(|user| id_in_file(user).to_string() == id) {
        return Err(Refused::declared("user", "[management] of the configuration"));
    }
    let found = match object_id(id) {
        Some(id) => admin.catalog.store().get(Kind::User, id).await?,
        None => None,
    };
    found.ok_or_else(|| Refused::not_found("there is no such user"))
}
