//! Subscriptions as publishers see them: blocked, unblocked, and given another business plan.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::devportal::holding::SubscribedApplications;
use crate::admin::devportal::policies::offered;
use crate::admin::devportal::subscription::{policy, status};
use crate::admin::entity_tag::IfMatch;
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::paging::PageQuery;
use crate::admin::publisher::one_api::find;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Query, Record};

const SEE: &[&str] = &["api_view", "mcp_server_view", "subscription_view", "subscription_manage"];
const BLOCK: &[&str] = &["subscription_block", "subscription_manage"];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PublisherSubscriptions {
    api_id: Option<String>,
    query: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionOrder {
    subscription_id: Option<String>,
    block_state: Option<String>,
    business_plan: Option<String>,
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Parameters(search): Parameters<PublisherSubscriptions>,
) -> Result<Response, Refused> {
    caller.needs(SEE)?;
    let range = search.page.range()?;
    if search.query.is_some_and(|query| !query.is_empty()) {
        return Err(Refused::bad_request("`query` is not supported here; `apiId` is"));
    }
    let target = match search.api_id.filter(|id| !id.is_empty()) {
        Some(id) => Some(find(&admin, &id).await?.record.name),
        None => None,
    };
    let (offset, limit) = (range.offset, range.limit);
    let query = Query { target, offset, limit, ..Query::of(Kind::Subscription) };
    let page = admin.catalog.page(&query).await?;
    let holders = SubscribedApplications::of(&admin.catalog, &page.items).await?;
    let list = page
        .items
        .iter()
        .filter_map(|own| holders.of_one(own).map(|holder| shown(&own.record, holder)))
        .collect();
    Ok(range.respond(&uri.0, list, page.total))
}

/// Shows a subscription with its application and the number of that one's subscriptions.
fn shown(subscription: &Record, (application, count): (&Object, u64)) -> Value {
    let own = &application.record;
    json!({
        "subscriptionId": subscription.id,
        "applicationInfo": {
            "applicationId": own.id,
            "name": own.name,
            "subscriber": own.owner.as_deref().unwrap_or_default(),
            "description": own.extra.get("description").and_then(Value::as_str).unwrap_or_default(),
            "subscriptionCount": count,
        },
        "throttlingPolicy": policy(subscription),
        "subscriptionStatus": status(subscription),
    })
}

pub(super) async fn block(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Parameters(order): Parameters<SubscriptionOrder>,
) -> Result<Response, Refused> {
    caller.needs(BLOCK)?;
    let state = match order.block_state.as_deref() {
        Some("BLOCKED") => "blocked",
        Some("PROD_ONLY_BLOCKED") => "prod_only_blocked",
        _ => return Err(Refused::bad_request("`blockState` is BLOCKED or PROD_ONLY_BLOCKED")),
    };
    let subscription = changeable(&admin, order.subscription_id.as_deref()).await?;
    let expected = if_match.expect(&subscription)?;
    let changed = Changed { options, expected, key: "status", value: state };
    change(&admin, &caller, "block-subscription", subscription, changed).await
}

pub(super) async fn unblock(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Parameters(order): Parameters<SubscriptionOrder>,
) -> Result<Response, Refused> {
    caller.needs(BLOCK)?;
    let subscription = changeable(&admin, order.subscription_id.as_deref()).await?;
    let expected = if_match.expect(&subscription)?;
    let changed = Changed { options, expected, key: "status", value: "unblocked" };
    change(&admin, &caller, "unblock-subscription", subscription, changed).await
}

pub(super) async fn change_plan(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Parameters(order): Parameters<SubscriptionOrder>,
) -> Result<Response, Refused> {
    caller.needs(&["subscription_manage"])?;
    let subscription = changeable(&admin, order.subscription_id.as_deref()).await?;
    let Some(plan) = order.business_plan.filter(|plan| !plan.is_empty()) else {
        return Err(Refused::bad_request("`businessPlan` is missing"));
    };
    let expected = if_match.expect(&subscription)?;
    let name = subscription.record.target.clone().unwrap_or_default();
    let Some(api) = admin.catalog.named(Kind::Api, &name).await? else { return Err(unknown()) };
    offered(&admin, &caller, &api, &plan).await?;
    let changed = Changed { options, expected, key: "policy", value: &plan };
    change(&admin, &caller, "change-business-plan", subscription, changed).await
}

/// One string of a changed subscription.
struct Changed<'v> {
    options: WriteOptions,
    expected: Option<u64>,
    key: &'static str,
    value: &'v str,
}

async fn change(
    admin: &Admin,
    caller: &Caller,
    action: &'static str,
    subscription: Object,
    changed: Changed<'_>,
) -> Result<Response, Refused> {
    let Changed { options, expected, key, value } = changed;
    let mut record = subscription.record;
    record.declared.insert(key.to_owned(), json!(value));
    let changes = vec![Change::Update { record, expected }];
    let committed = admin.catalog.write(caller, action, options, changes, Vec::new()).await?;
    let Some(record) = committed.records.first().cloned() else { return Err(unknown()) };
    let changed = [Object::kept(record)];
    let holders = SubscribedApplications::of(&admin.catalog, &changed).await?;
    let [changed] = &changed;
    let body = holders.of_one(changed).map(|holder| shown(&changed.record, holder));
    Ok(committed.respond_tagged((StatusCode::OK, Json(body))))
}

/// Only the name of a person is kept.
pub(super) async fn subscriber(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(SEE)?;
    let subscription = found(&admin, Some(&id)).await?;
    let Some(parent) = subscription.record.parent else { return Err(unknown()) };
    let application = admin.catalog.get(Kind::Application, parent).await?.ok_or_else(unknown)?;
    let name = application.record.owner.as_deref().unwrap_or_default();
    Ok(Json(json!({ "name": name, "claims": [] })).into_response())
}

pub(super) async fn usage(caller: Caller) -> Result<Response, Refused> {
    caller.needs(SEE)?;
    Err(Refused::not_implemented("monetization"))
}

async fn found(admin: &Admin, id: Option<&str>) -> Result<Object, Refused> {
    let Some(id) = id else { return Err(Refused::bad_request("`subscriptionId` is missing")) };
    let id = object_id(id).ok_or_else(unknown)?;
    admin.catalog.get(Kind::Subscription, id).await?.ok_or_else(unknown)
}

async fn changeable(admin: &Admin, id: Option<&str>) -> Result<Object, Refused> {
    let subscription = found(admin, id).await?;
    subscription.changeable("subscription")?;
    Ok(subscription)
}

fn unknown() -> Refused {
    let description = "there is no subscription with this id";
    Refused::new(StatusCode::NOT_FOUND, 900_310, "Subscription not found", description)
}
