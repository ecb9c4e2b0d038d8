//! `/applications` of the admin API: those of all users, and their owners.

use std::sync::Arc;

use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{Committed, WriteOptions};
use crate::admin::devportal::application::{TokenType, give_to, groups};
use crate::admin::devportal::applications::{refusal, shown, sort_by, sort_order, whole};
use crate::admin::devportal::removing::remove;
use crate::admin::devportal::visible::{changeable, unknown_application};
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::paging::PageQuery;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::store::{Change, Kind, Query};

/// WSO2's limit of a user's name.
const MOST_OWNER: usize = 255;

/// The only tenant that there is.
const TENANT: &str = "carbon.super";

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/applications", get(list))
        .route("/applications/{id}", get(get_one).delete(delete))
        .route("/applications/{id}/change-settings", post(change_settings))
        .route("/applications/{id}/change-owner", post(change_owner))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnedSearch {
    /// The owner, whole.
    user: Option<String>,
    /// The beginning of a name.
    name: Option<String>,
    tenant_domain: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

/// WSO2's `ApplicationUpdateRequest`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingsBody {
    owner: Option<String>,
    token_type: Option<TokenType>,
}

#[derive(Debug, Default, Deserialize)]
struct NewOwner {
    owner: Option<String>,
}

/// An application in the administrator's list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnedApplication {
    application_id: Uuid,
    name: String,
    owner: String,
    token_type: serde_json::Value,
    created_time: String,
    status: &'static str,
    group_id: String,
}

impl OwnedApplication {
    fn of(object: &Object) -> Self {
        let record = &object.record;
        Self {
            application_id: record.id,
            name: record.name.clone(),
            owner: record.owner.clone().unwrap_or_default(),
            token_type: record.extra.get("tokenType").cloned().unwrap_or_else(|| "JWT".into()),
            created_time: record.created_at.to_string(),
            status: "APPROVED",
            group_id: groups(record).join(","),
        }
    }
}

async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Parameters(search): Parameters<OwnedSearch>,
) -> Result<Response, Refused> {
    caller.needs(&[
        "admin",
        "app_settings_change",
        "app_owner_change",
        "app_import_export",
        "admin_application_view",
    ])?;
    let range = search.page.range()?;
    if search.tenant_domain.is_some_and(|tenant| !tenant.is_empty() && tenant != TENANT) {
        return Err(Refused::bad_request(format!("`tenantDomain` can be {TENANT} only")));
    }
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let query = Query {
        owner: given(search.user),
        prefix: given(search.name),
        sort_by: sort_by(search.sort_by.as_deref())?,
        order: sort_order(search.sort_order.as_deref())?,
        offset: range.offset,
        limit: range.limit,
        ..Query::of(Kind::Application)
    };
    let page = admin.catalog.page(&query).await?;
    Ok(range.respond(&uri.0, page.items.iter().map(OwnedApplication::of).collect(), page.total))
}

/// Finds an application of any user.
async fn anyones(admin: &Admin, id: &str) -> Result<Object, Refused> {
    let Some(id) = object_id(id) else { return Err(unknown_application()) };
    admin.catalog.get(Kind::Application, id).await?.ok_or_else(unknown_application)
}

async fn get_one(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    if_none_match: IfNoneMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(&["admin", "app_import_export", "admin_application_view"])?;
    let object = anyones(&admin, &id).await?;
    let (parts, body) = whole(&admin, &object).await?;
    Ok(if_none_match.respond(&object, &parts, Json(body)))
}

async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(&["admin", "app_import_export"])?;
    let object = anyones(&admin, &id).await?;
    remove(&admin, caller, options, &if_match, object).await
}

async fn change_settings(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
    body: JsonBody<SettingsBody>,
) -> Result<Response, Refused> {
    caller.needs(&["admin", "app_settings_change"])?;
    let body = body.read()?;
    let object = anyones(&admin, &id).await?;
    let committed = change(&admin, &caller, options, &if_match, object, body).await?;
    shown(&admin, &committed, StatusCode::OK).await
}

/// Gives an application to another user. The authorization server is not involved: the clients stay
/// as they are.
async fn change_owner(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
    Parameters(new): Parameters<NewOwner>,
) -> Result<Response, Refused> {
    caller.needs(&["admin", "app_owner_change"])?;
    let object = anyones(&admin, &id).await?;
    let Some(owner) = new.owner else {
        return Err(Refused::bad_request("`owner` is missing"));
    };
    let body = SettingsBody { owner: Some(owner), token_type: None };
    let committed = change(&admin, &caller, options, &if_match, object, body).await?;
    Ok(committed.respond(StatusCode::OK))
}

async fn change(
    admin: &Admin,
    caller: &Caller,
    options: WriteOptions,
    if_match: &IfMatch,
    object: Object,
    body: SettingsBody,
) -> Result<Committed, Refused> {
    changeable(&object)?;
    let expected = if_match.expect(&object)?;
    let mut record = object.record;
    if let Some(owner) = &body.owner {
        texts::name("owner", owner, MOST_OWNER)?;
        // a typing error would hide it from all users
        if !admin.access.may_know(&admin.catalog, owner).await? {
            return Err(Refused::bad_request("`owner` is no user"));
        }
        give_to(&mut record, owner);
    }
    if let Some(token_type) = body.token_type {
        record.extra.insert("tokenType".to_owned(), serde_json::json!(token_type));
    }
    let action = if body.owner.is_some() { "change-owner" } else { "change-settings" };
    let changes = vec![Change::Update { record, expected }];
    let written = admin.catalog.write(caller, action, options, changes, Vec::new()).await;
    written.map_err(|refused| refusal(caller, refused))
}
