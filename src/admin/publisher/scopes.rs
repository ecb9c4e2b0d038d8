//! `/scopes`: scopes that several APIs share.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, StatusCode, header};

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{Committed, WriteOptions, WriteRefused};
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::paging::PageQuery;
use crate::admin::publisher::body::ScopeBody;
use crate::admin::publisher::shared_scope::{is_needed, read, record, shown, usage, uses};
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Query, StoreError};

const MANAGE: &[&str] = &["shared_scope_manage"];
const SEE: &[&str] = &["api_view", "mcp_server_view", "shared_scope_manage"];
const LOOK: &[&str] = &[
    "api_create",
    "api_publish",
    "api_manage",
    "mcp_server_create",
    "mcp_server_publish",
    "mcp_server_manage",
    "shared_scope_manage",
];

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Parameters(page): Parameters<PageQuery>,
) -> Result<Response, Refused> {
    caller.needs(SEE)?;
    let range = page.range()?;
    let query = Query { offset: range.offset, limit: range.limit, ..Query::of(Kind::Scope) };
    let page = admin.catalog.page(&query).await?;
    let apis = admin.catalog.all(Kind::Api).await?;
    let list = page.items.iter().map(|scope| shown(scope, &apis)).collect();
    Ok(range.respond(&uri.0, list, page.total))
}

pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    uri: OriginalUri,
    body: JsonBody<ScopeBody>,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let body = body.read()?;
    let (name, kept) = read(&body)?;
    if admin.catalog.named(Kind::Scope, &name).await?.is_some() {
        return Err(taken());
    }
    let changes = vec![Change::Create(record(&name, kept))];
    let committed = write(&admin, &caller, "create-scope", options, changes).await?;
    let mut response = answer(&committed, StatusCode::CREATED, &[])?;
    let id = committed.records.first().map(|record| record.id);
    let place = id.and_then(|id| HeaderValue::from_str(&format!("{}/{id}", uri.path())).ok());
    if let Some(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    seen: IfNoneMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(SEE)?;
    let scope = find(&admin, &id).await?;
    let apis = admin.catalog.all(Kind::Api).await?;
    let used = apis.iter().filter(|api| uses(&api.record, &scope.record.name)).count();
    Ok(seen.respond(&scope, &used.to_string(), Json(shown(&scope, &apis))))
}

pub(super) async fn update(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
    body: JsonBody<ScopeBody>,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let body = body.read()?;
    let scope = find(&admin, &id).await?;
    let expected = if_match.expect(&scope)?;
    let (name, kept) = read(&body)?;
    if name != scope.record.name {
        return Err(Refused::bad_request("`name` cannot be changed"));
    }
    let mut record = scope.record;
    record.extra = kept;
    let changes = vec![Change::Update { record, expected }];
    let committed = write(&admin, &caller, "update-scope", options, changes).await?;
    answer(&committed, StatusCode::OK, &admin.catalog.all(Kind::Api).await?)
}

pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let scope = find(&admin, &id).await?;
    let expected = if_match.expect(&scope)?;
    let apis = admin.catalog.all(Kind::Api).await?;
    if apis.iter().any(|api| uses(&api.record, &scope.record.name)) {
        return Err(Refused::conflict("an API uses the scope; it cannot be deleted"));
    }
    let changes = vec![Change::Delete { kind: Kind::Scope, id: scope.record.id, expected }];
    let committed = write(&admin, &caller, "delete-scope", options, changes).await?;
    Ok(committed.respond(StatusCode::OK))
}

/// Tells whether a name is taken, by a shared scope or by one of an API: a `HEAD` of a name.
pub(super) async fn look(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(LOOK)?;
    let apis = admin.catalog.all(Kind::Api).await?;
    for name in [Some(name.clone()), decoded(&name)].into_iter().flatten() {
        let shared = admin.catalog.named(Kind::Scope, &name).await?.is_some();
        if shared || apis.iter().any(|api| is_needed(&api.record, &name)) {
            return Ok(StatusCode::OK.into_response());
        }
    }
    Ok(StatusCode::NOT_FOUND.into_response())
}

pub(super) async fn used_by(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(&["api_view", "api_manage", "shared_scope_manage"])?;
    let scope = find(&admin, &id).await?;
    let apis = admin.catalog.all(Kind::Api).await?;
    Ok(Json(usage(&scope, &apis)).into_response())
}

/// Decodes a name. WSO2's clients send it in Base64 for URLs, with or without its padding.
fn decoded(text: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok()
}

async fn find(admin: &Admin, id: &str) -> Result<Object, Refused> {
    let unknown = || Refused::not_found("there is no shared scope with this id");
    let id = object_id(id).ok_or_else(unknown)?;
    admin.catalog.get(Kind::Scope, id).await?.ok_or_else(unknown)
}

async fn write(
    admin: &Admin,
    caller: &Caller,
    action: &'static str,
    options: WriteOptions,
    changes: Vec<Change>,
) -> Result<Committed, Refused> {
    let written = admin.catalog.write(caller, action, options, changes, Vec::new()).await;
    written.map_err(|refused| match refused {
        WriteRefused::Store(StoreError::Taken { .. }) => taken(),
        other => other.into(),
    })
}

fn taken() -> Refused {
    Refused::conflict("there is a shared scope of this name")
}

fn answer(committed: &Committed, status: StatusCode, apis: &[Object]) -> Result<Response, Refused> {
    let Some(record) = committed.records.first().cloned() else {
        return Err(Refused::plain(StatusCode::INTERNAL_SERVER_ERROR, "nothing was kept"));
    };
    Ok(committed.respond_tagged((status, Json(shown(&Object::kept(record), apis)))))
}
