//! Key managers: `/key-managers`, and `/global-key-managers` by the same handlers.

mod body;
mod connectors;
mod discover;
mod forms;
mod limits;
mod merge;
mod pem_value;
mod properties;
mod read;
mod rules;
mod shown;
mod usage;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, Uri, header};
use serde_json::json;
use uuid::Uuid;

use crate::admin::addresses::check_address;
use crate::admin::administration::key_managers::body::KeyManagerBody;
pub(super) use crate::admin::administration::key_managers::forms::forms;
use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{Committed, WriteOptions, WriteRefused};
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Record, StoreError, WriteCondition};

/// Scopes of all operations but deletion.
const MANAGE: &[&str] = &["admin", "admin_operations", "keymanagers_manage"];

/// Scopes of deletion and of usages.
const ADMINISTER: &[&str] = &["admin", "admin_operations"];

/// The path that a caller uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Realm {
    Own,
    Global,
}

pub(super) fn router() -> Router<Arc<Admin>> {
    of_realm("/key-managers", Realm::Own)
        .merge(of_realm("/global-key-managers", Realm::Global))
        .route("/key-managers/discover", post(discover::discover))
        .route("/key-managers/{id}/api-usages", get(usage::api_usages))
        .route("/key-managers/{id}/app-usages", get(usage::app_usages))
}

fn of_realm(path: &str, realm: Realm) -> Router<Arc<Admin>> {
    type CatalogEntry = State<Arc<Admin>>;
    let all = get(move |admin: CatalogEntry, caller: Caller| list(admin, caller, realm)).post(
        move |admin: CatalogEntry,
              caller: Caller,
              options: WriteOptions,
              uri: OriginalUri,
              body: JsonBody<KeyManagerBody>| {
            create(admin, caller, options, uri, body, realm)
        },
    );
    let one =
        get(move |admin: CatalogEntry, caller: Caller, id: Path<String>, seen: IfNoneMatch| {
            show(admin, caller, id, seen, realm)
        })
        .put(
            move |admin: CatalogEntry,
                  caller: Caller,
                  id: Path<String>,
                  options: WriteOptions,
                  expected: IfMatch,
                  body: JsonBody<KeyManagerBody>| {
                update(admin, caller, id, (options, expected), body, realm)
            },
        )
        .delete(
            move |admin: CatalogEntry,
                  caller: Caller,
                  id: Path<String>,
                  options: WriteOptions,
                  expected: IfMatch| {
                delete(admin, caller, id, (options, expected), realm)
            },
        );
    Router::new().route(path, all).route(&format!("{path}/{{id}}"), one)
}

async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    realm: Realm,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let apis = admin.catalog.all(Kind::Api).await?;
    let mut list = Vec::new();
    for object in admin.catalog.all(Kind::KeyManager).await? {
        if realm.shows(&object) {
            let used = usage::is_used(&admin.catalog, &apis, &object.record.name).await?;
            list.push(shown::info(&object, used));
        }
    }
    Ok(Json(json!({ "count": list.len(), "list": list })).into_response())
}

async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    OriginalUri(uri): OriginalUri,
    body: JsonBody<KeyManagerBody>,
    realm: Realm,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let body = body.read()?;
    refuse_other_realm(&body, realm)?;
    let draft = read::draft(body)?;
    check_addresses(&admin, &draft).await?;
    let name = draft.name.clone();
    if admin.catalog.named(Kind::KeyManager, &name).await?.is_some() {
        return Err(taken(&name));
    }
    let mut record = Record::new(Kind::KeyManager, Uuid::new_v4(), name.clone());
    let secrets = merge::replace(&mut record, draft)?;
    if realm == Realm::Global {
        record.extra.insert("global".to_owned(), json!(true));
    }
    merge::seal(&admin, &mut record, &secrets)?;
    let changes = vec![Change::Create(record)];
    let written =
        admin.catalog.write(&caller, "create-key-manager", options, changes, Vec::new()).await;
    let committed = written.map_err(|refused| of_write(refused, &name))?;
    let mut response = answer(&committed, StatusCode::CREATED)?;
    if let Some(place) = location(&uri, &committed) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    seen: IfNoneMatch,
    realm: Realm,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let object = find(&admin, &id, realm).await?;
    Ok(seen.respond(&object, "", Json(shown::key_manager(&object).shown())))
}

async fn update(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    (options, expected): (WriteOptions, IfMatch),
    body: JsonBody<KeyManagerBody>,
    realm: Realm,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let body = body.read()?;
    let object = changeable(&admin, &id, realm).await?;
    let expected = expected.expect(&object)?;
    refuse_other_realm(&body, realm)?;
    let draft = read::draft(body)?;
    if draft.name != object.record.name {
        return Err(Refused::bad_request("`name` cannot be changed"));
    }
    check_addresses(&admin, &draft).await?;
    let mut record = object.record;
    let secrets = merge::replace(&mut record, draft)?;
    merge::seal(&admin, &mut record, &secrets)?;
    let name = record.name.clone();
    let changes = vec![Change::Update { record, expected }];
    let written =
        admin.catalog.write(&caller, "update-key-manager", options, changes, Vec::new()).await;
    answer(&written.map_err(|refused| of_write(refused, &name))?, StatusCode::OK)
}

async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    (options, expected): (WriteOptions, IfMatch),
    realm: Realm,
) -> Result<Response, Refused> {
    caller.needs(if realm == Realm::Own { ADMINISTER } else { MANAGE })?;
    let object = changeable(&admin, &id, realm).await?;
    let expected = expected.expect(&object)?;
    let name = object.record.name;
    let unwritten = admin.catalog.unwritten(Kind::Api).await?;
    let apis = admin.catalog.all(Kind::Api).await?;
    if usage::is_used(&admin.catalog, &apis, &name).await? {
        return Err(in_use(&name));
    }
    let changes = vec![Change::Delete { kind: Kind::KeyManager, id: object.record.id, expected }];
    let unused = WriteCondition::Untargeted { kind: Kind::Key, target: name.clone() };
    let conditions = vec![unused, unwritten];
    let written =
        admin.catalog.write(&caller, "delete-key-manager", options, changes, conditions).await;
    let committed = written.map_err(|refused| of_write(refused, &name))?;
    Ok(committed.respond(StatusCode::OK))
}

impl Realm {
    fn shows(self, object: &Object) -> bool {
        self == Self::Own || shown::is_global(&object.record)
    }
}

/// Finds a key manager that this path shows.
async fn find(admin: &Admin, id: &str, realm: Realm) -> Result<Object, Refused> {
    let found = match object_id(id) {
        Some(id) => admin.catalog.get(Kind::KeyManager, id).await?,
        None => None,
    };
    found.filter(|object| realm.shows(object)).ok_or_else(|| {
        let (status, message) = (StatusCode::NOT_FOUND, "Key Manager not Found");
        Refused::new(status, 901_411, message, "there is no key manager with this id")
    })
}

/// Finds a key manager that a caller may change at this path.
async fn changeable(admin: &Admin, id: &str, realm: Realm) -> Result<Object, Refused> {
    let object = find(admin, id, realm).await?;
    object.changeable("key manager")?;
    if realm == Realm::Own && shown::is_global(&object.record) {
        return Err(Refused::forbidden(
            "the key manager is a global one, which `/global-key-managers` changes",
        ));
    }
    Ok(object)
}

fn refuse_other_realm(body: &KeyManagerBody, realm: Realm) -> Result<(), Refused> {
    if body.global == Some(true) && realm == Realm::Own {
        return Err(Refused::bad_request("`global`: make it at `/global-key-managers`"));
    }
    Ok(())
}

async fn check_addresses(admin: &Admin, draft: &read::KeyManagerDraft) -> Result<(), Refused> {
    let declared = admin.catalog.declared();
    let networks = declared.calls.networks.clone().unwrap_or_default();
    for (field, address) in &draft.called {
        check_address(field, address, &networks).await?;
    }
    Ok(())
}

fn answer(committed: &Committed, status: StatusCode) -> Result<Response, Refused> {
    let record = committed.records.first().cloned().ok_or_else(|| {
        Refused::plain(StatusCode::INTERNAL_SERVER_ERROR, "the change has no result")
    })?;
    let object = Object::kept(record);
    Ok(committed.respond_tagged((status, Json(shown::key_manager(&object).shown()))))
}

fn location(uri: &Uri, committed: &Committed) -> Option<HeaderValue> {
    let id = committed.records.first()?.id;
    HeaderValue::from_str(&format!("{}/{id}", uri.path())).ok()
}

fn of_write(refused: WriteRefused, name: &str) -> Refused {
    match refused {
        WriteRefused::Store(StoreError::Taken { .. }) => taken(name),
        WriteRefused::Store(StoreError::InUse { .. }) => in_use(name),
        other => other.into(),
    }
}

fn taken(name: &str) -> Refused {
    let description = format!("there is a key manager {name:?}");
    Refused::new(StatusCode::CONFLICT, 901_402, "Key Manager Already Exists", description)
}

fn in_use(name: &str) -> Refused {
    let description = format!("an API or an application uses the key manager {name:?}");
    let status = StatusCode::PRECONDITION_FAILED;
    Refused::new(status, 902_015, "Key Manager Delete error", description)
}
