//! One API: finds it for a call, changes it, and answers with it.

use std::sync::Arc;

use axum::Json;
use axum::response::Response;
use http::{HeaderValue, StatusCode, Uri, header};

use crate::admin::caller::Caller;
use crate::admin::catalog::{Committed, WriteOptions, WriteRefused};
use crate::admin::devportal::apis::unknown_api;
use crate::admin::devportal::unused_scopes::FormerScopes;
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::publisher::read::{taken_context, taken_name};
use crate::admin::publisher::shown;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, StoreError, WriteCondition};

/// The scopes for creating APIs.
pub(super) const CREATE: &[&str] = &["api_create", "api_manage"];

/// Finds an API.
pub(super) async fn find(admin: &Admin, id: &str) -> Result<Object, Refused> {
    let Some(id) = object_id(id) else { return Err(unknown_api()) };
    admin.catalog.get(Kind::Api, id).await?.ok_or_else(unknown_api)
}

/// Finds an API that the store keeps.
pub(super) async fn changeable(admin: &Admin, id: &str) -> Result<Object, Refused> {
    let api = find(admin, id).await?;
    api.changeable("API")?;
    Ok(api)
}

/// Makes changes of an API, whose record is the first.
pub(super) async fn commit(
    admin: &Arc<Admin>,
    caller: &Caller,
    action: &'static str,
    options: WriteOptions,
    changes: Vec<Change>,
    conditions: Vec<WriteCondition>,
) -> Result<Committed, Refused> {
    let names = changes.iter().find_map(|change| match change {
        Change::Create(record) => {
            Some((record.name.clone(), record.text("context").unwrap_or_default().to_owned()))
        }
        _ => None,
    });
    let former = FormerScopes::before(admin, &changes).await?;
    let written = admin.catalog.write(caller, action, options, changes, conditions).await;
    let committed = written.map_err(|refused| match refused {
        WriteRefused::Store(StoreError::Taken { kind: Kind::Api, name, .. }) => match names {
            Some((own, _)) if own == name => taken_name(&own),
            Some((_, context)) => taken_context(&context),
            None => taken_name(&name),
        },
        WriteRefused::Store(StoreError::InUse { kind: Kind::Subscription, .. }) => in_use(),
        other => Refused::from(other),
    })?;
    // servers are told of a stored change, and not of a preview
    if committed.revision.is_some() {
        former.forget_unused(admin, caller).await;
    }
    Ok(committed)
}

pub(super) fn in_use() -> Refused {
    Refused::conflict("applications subscribe to the API; it cannot be deleted")
}

pub(super) fn created(committed: &Committed, uri: &Uri) -> Result<Response, Refused> {
    let mut response = answer(committed, StatusCode::CREATED)?;
    let base = uri.path().split("/apis").next().unwrap_or_default();
    if let Some(record) = committed.records.first()
        && let Ok(place) = HeaderValue::from_str(&format!("{base}/apis/{}", record.id))
    {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

pub(super) fn answer(committed: &Committed, status: StatusCode) -> Result<Response, Refused> {
    let Some(record) = committed.records.first().cloned() else {
        return Err(Refused::plain(StatusCode::INTERNAL_SERVER_ERROR, "nothing was kept"));
    };
    let api = Object::kept(record);
    Ok(committed.respond_tagged((status, Json(shown::api(&api)))))
}
