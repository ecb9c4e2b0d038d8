//! `/apis`: the APIs that developers can subscribe to.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;

use crate::admin::caller::Caller;
use crate::admin::devportal::api::{ShownApi, details, is_open, state};
use crate::admin::devportal::policies::offers;
use crate::admin::entity_tag::IfNoneMatch;
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::paging::PageQuery;
use crate::admin::publisher::search::ApiSearchTerms;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Kind, Query};

#[derive(Debug, Default, Deserialize)]
pub(super) struct ApiSearch {
    query: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

pub(in crate::admin) fn unknown_api() -> Refused {
    let description = "there is no API with this id that you may see";
    Refused::new(StatusCode::NOT_FOUND, 900_308, "API Not Found", description)
}

/// Finds an API that developers may see: one that is retired is gone for them.
pub(super) async fn api(admin: &Admin, id: &str) -> Result<Object, Refused> {
    let Some(id) = object_id(id) else { return Err(unknown_api()) };
    let found = admin.catalog.get(Kind::Api, id).await?;
    found.filter(|api| state(api) != "retired").ok_or_else(unknown_api)
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    _caller: Caller,
    uri: OriginalUri,
    Parameters(search): Parameters<ApiSearch>,
) -> Result<Response, Refused> {
    let range = search.page.range()?;
    let wanted = ApiSearchTerms::read(search.query.as_deref().unwrap_or_default())?;
    let mut all = admin.catalog.all(Kind::Api).await?;
    all.retain(|api| is_open(api) && wanted.fit(&api.record));
    let (page, total) = range.of(all);
    Ok(range.respond(&uri.0, page.iter().map(ShownApi::of).collect(), total))
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    if_none_match: IfNoneMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let api = api(&admin, &id).await?;
    let target = Some(api.record.name.clone());
    let query = Query { target, limit: 0, ..Query::of(Kind::Subscription) };
    let subscriptions = admin.catalog.page(&query).await?.total;
    let policies = offers(&admin, &caller, &api).await?;
    let parts = format!("{subscriptions}.{}", policies.len());
    Ok(if_none_match.respond(&api, &parts, Json(details(&api, &policies, subscriptions))))
}

pub(super) async fn subscription_policies(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let api = api(&admin, &id).await?;
    Ok(Json(offers(&admin, &caller, &api).await?).into_response())
}
