//! The APIs and the applications that use a key manager.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::administration::key_managers::{ADMINISTER, Realm, find};
use crate::admin::caller::Caller;
use crate::admin::catalog::Catalog;
use crate::admin::nulls::without_nulls;
use crate::admin::object::Object;
use crate::admin::paging::PageQuery;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Kind, Query, StoreError};

pub(super) async fn api_usages(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(page): Parameters<PageQuery>,
) -> Result<Response, Refused> {
    caller.needs(ADMINISTER)?;
    let range = page.range()?;
    let name = find(&admin, &id, Realm::Own).await?.record.name;
    let apis = admin.catalog.all(Kind::Api).await?;
    let using: Vec<_> =
        apis.iter().filter(|api| names(api, &name)).map(|own| api(own, &name)).collect();
    let (apis, total) = range.of(using);
    Ok(Json(json!({ "apiCount": total, "apis": apis })).into_response())
}

/// Counts keys, of which an application has at most two at a key manager. A page shows each
/// application once.
pub(super) async fn app_usages(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(page): Parameters<PageQuery>,
) -> Result<Response, Refused> {
    caller.needs(ADMINISTER)?;
    let range = page.range()?;
    let name = find(&admin, &id, Realm::Own).await?.record.name;
    let (offset, limit) = (range.offset, range.limit);
    let keys = admin.catalog.page(&Query { offset, limit, ..keys_of(&name) }).await?;
    let owners: BTreeSet<Uuid> = keys.items.iter().filter_map(|key| key.record.parent).collect();
    let owners: Vec<_> = owners.into_iter().collect();
    let found = admin.catalog.get_all(Kind::Application, &owners).await?;
    let applications: Vec<_> =
        owners.iter().filter_map(|owner| found.get(owner)).map(application).collect();
    let answer = json!({ "applicationCount": keys.total, "applications": applications });
    Ok(Json(answer).into_response())
}

/// Tells whether an API names the key manager, or an application has a key of it.
pub(super) async fn is_used(
    catalog: &Catalog,
    apis: &[Object],
    name: &str,
) -> Result<bool, StoreError> {
    if apis.iter().any(|api| names(api, name)) {
        return Ok(true);
    }
    let keys = catalog.page(&Query { limit: 1, ..keys_of(name) }).await?;
    Ok(keys.total > 0)
}

fn keys_of(key_manager: &str) -> Query {
    Query { target: Some(key_manager.to_owned()), ..Query::of(Kind::Key) }
}

fn names(api: &Object, key_manager: &str) -> bool {
    let listed = api.record.declared.get("key_managers").and_then(Value::as_array);
    listed.is_some_and(|all| all.iter().any(|name| name == key_manager))
}

fn api(object: &Object, key_manager: &str) -> Value {
    let record = &object.record;
    without_nulls(json!({
        "id": record.id,
        "type": "API",
        "name": record.text("name").unwrap_or_default(),
        "version": record.text("version").unwrap_or_default(),
        "context": record.text("context"),
        "provider": record.owner.as_deref().unwrap_or("admin"),
        "description": record.text("description"),
        "advertiseOnly": false,
        "keyManagerEntry": key_manager,
    }))
}

fn application(object: &Object) -> Value {
    let record = &object.record;
    json!({
        "uuid": record.id,
        "name": record.name,
        "owner": record.owner.as_deref().or(record.text("owner")).unwrap_or_default(),
        "organization": record.text("organization").unwrap_or_default(),
    })
}
