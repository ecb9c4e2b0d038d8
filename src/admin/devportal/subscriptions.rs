//! `/subscriptions`: lists, and one by one. New ones are in `subscribing.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::devportal::apis::{api, unknown_api};
use crate::admin::devportal::application::{ApplicationInfo, groups};
use crate::admin::devportal::holding::SubscribedApplications;
use crate::admin::devportal::policies::offered;
use crate::admin::devportal::subscribing::shown;
use crate::admin::devportal::subscription::{
    ShownSubscription, SubscriptionBody, additional_info, is_blocked, policy, status,
};
use crate::admin::devportal::visible::{application, changeable, owns, subscription_count};
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::paging::{PageQuery, PageRange};
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Query, Record, StorePage};

const SUBSCRIBES: &[&str] = &["subscribe", "sub_manage"];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionSearch {
    api_id: Option<String>,
    application_id: Option<String>,
    group_id: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

/// A subscription with its application.
#[derive(Debug)]
struct OwnSubscription {
    subscription: Object,
    application: Object,
}

fn unknown_subscription() -> Refused {
    let description = "there is no subscription with this id that you may see";
    Refused::new(StatusCode::NOT_FOUND, 900_310, "Subscription not found", description)
}

async fn own(admin: &Admin, caller: &Caller, id: &str) -> Result<OwnSubscription, Refused> {
    let Some(id) = object_id(id) else { return Err(unknown_subscription()) };
    let found = admin.catalog.get(Kind::Subscription, id).await?;
    let subscription = found.ok_or_else(unknown_subscription)?;
    let Some(parent) = subscription.record.parent else { return Err(unknown_subscription()) };
    let application = admin.catalog.get(Kind::Application, parent).await?;
    let application = application.filter(|application| owns(caller, application));
    Ok(OwnSubscription { application: application.ok_or_else(unknown_subscription)?, subscription })
}

async fn api_of(admin: &Admin, subscription: &Record) -> Result<Option<Object>, Refused> {
    match &subscription.target {
        Some(name) => Ok(admin.catalog.named(Kind::Api, name).await?),
        None => Ok(None),
    }
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Parameters(search): Parameters<SubscriptionSearch>,
) -> Result<Response, Refused> {
    caller.needs(SUBSCRIBES)?;
    let range = search.page.range()?;
    let given = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
    let api = match given(&search.api_id) {
        Some(id) => Some(api(&admin, &id).await?),
        None => None,
    };
    let target = api.as_ref().map(|api| api.record.name.clone());
    let group = given(&search.group_id);
    let page = match (given(&search.application_id), target) {
        (Some(id), target) => {
            let application = application(&admin, &caller, &id).await?;
            let outside =
                group.as_ref().is_some_and(|group| !groups(&application.record).contains(group));
            if outside {
                StorePage { total: 0, items: Vec::new() }
            } else {
                let parent = Some(application.record.id);
                page_of(&admin, range, Query { parent, target, ..Query::of(Kind::Subscription) })
                    .await?
            }
        }
        (None, Some(target)) if caller.is_administrator() && group.is_none() => {
            let target = Some(target);
            page_of(&admin, range, Query { target, ..Query::of(Kind::Subscription) }).await?
        }
        (None, Some(target)) => {
            let found = of_own_applications(&admin, &caller, &target, group).await?;
            let (items, total) = range.of(found);
            StorePage { total, items }
        }
        (None, None) => {
            return Err(Refused::bad_request("either `applicationId` or `apiId` is needed"));
        }
    };
    let list = whole(&admin, &page.items, api.as_ref()).await?;
    Ok(range.respond(&uri.0, list, page.total))
}

async fn page_of(
    admin: &Admin,
    range: PageRange,
    query: Query,
) -> Result<StorePage<Object>, Refused> {
    let query = Query { offset: range.offset, limit: range.limit, ..query };
    Ok(admin.catalog.page(&query).await?)
}

/// Shows subscriptions with their applications and their APIs, except those whose application was
/// just deleted.
async fn whole(
    admin: &Admin,
    subscriptions: &[Object],
    api: Option<&Object>,
) -> Result<Vec<ShownSubscription>, Refused> {
    let holders = SubscribedApplications::of(&admin.catalog, subscriptions).await?;
    let names: BTreeSet<_> = match api {
        Some(_) => BTreeSet::new(),
        None => subscriptions.iter().filter_map(|own| own.record.target.clone()).collect(),
    };
    let names: Vec<_> = names.into_iter().collect();
    let apis = admin.catalog.named_all(Kind::Api, &names).await?;
    let shown = subscriptions.iter().filter_map(|subscription| {
        let (application, count) = holders.of_one(subscription)?;
        let info = ApplicationInfo::of(application, count);
        let named =
            |own: &&Object| Some(own.record.name.as_str()) == subscription.record.target.as_deref();
        let api = api.or_else(|| apis.iter().find(named));
        Some(ShownSubscription::of(subscription, info, api))
    });
    Ok(shown.collect())
}

/// Returns the subscriptions to an API that applications of this caller have. It asks for those of
/// each application, because an API can have a million subscriptions of others.
async fn of_own_applications(
    admin: &Admin,
    caller: &Caller,
    api: &str,
    group: Option<String>,
) -> Result<Vec<Object>, Refused> {
    let mut query = Query::of(Kind::Application);
    match group {
        Some(group) if caller.is_administrator() || caller.groups.contains(&group) => {
            query.groups = vec![group];
        }
        Some(_) => return Ok(Vec::new()),
        None => {
            query.owner = Some(caller.name.clone());
            query.groups.clone_from(&caller.groups);
        }
    }
    let (mut found, mut next) = (Vec::new(), Some(query));
    while let Some(query) = next {
        let page = admin.catalog.page(&query).await?;
        let of_each = |own: &Object| Record::subscription_name(own.record.id, api);
        let names: Vec<_> = page.items.iter().map(of_each).collect();
        found.extend(admin.catalog.named_all(Kind::Subscription, &names).await?);
        next = query.after(&page);
    }
    Ok(found)
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    if_none_match: IfNoneMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(SUBSCRIBES)?;
    let own = own(&admin, &caller, &id).await?;
    let count = subscription_count(&admin, own.application.record.id).await?;
    let parts = format!("{}.{count}", own.application.record.revision);
    let api = api_of(&admin, &own.subscription.record).await?;
    let info = ApplicationInfo::of(&own.application, count);
    let shown = ShownSubscription::of(&own.subscription, info, api.as_ref());
    // the API is shown too: its revision is a part of the state
    let parts = format!("{parts}.{}", api.as_ref().map_or(0, |api| api.record.revision));
    Ok(if_none_match.respond(&own.subscription, &parts, Json(shown)))
}

pub(super) async fn update(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
    body: JsonBody<SubscriptionBody>,
) -> Result<Response, Refused> {
    caller.needs(SUBSCRIBES)?;
    let body = body.read()?;
    let own = own(&admin, &caller, &id).await?;
    changeable(&own.application)?;
    let expected = if_match.expect(&own.subscription)?;
    let record = &own.subscription.record;
    if object_id(&body.application_id) != record.parent {
        return Err(Refused::bad_request("`applicationId` of a subscription cannot be changed"));
    }
    let api = api_of(&admin, record).await?.ok_or_else(unknown_api)?;
    if body.api_id.as_deref().is_some_and(|id| object_id(id) != Some(api.record.id)) {
        return Err(Refused::bad_request("`apiId` of a subscription cannot be changed"));
    }
    if body.status.as_ref().is_some_and(|wanted| *wanted != status(record)) {
        let description = "`status` of a subscription is changed by publishers";
        return Err(Refused::bad_request(description));
    }
    let wanted = body.requested_policy()?;
    if wanted != policy(record) {
        offered(&admin, &caller, &api, wanted).await?;
    }
    let mut record = record.clone();
    record.declared.insert("policy".to_owned(), json!(wanted));
    let changes = vec![Change::Update { record, expected }];
    let committed =
        admin.catalog.write(&caller, "change-policy", options, changes, Vec::new()).await?;
    let shown = shown(&admin, &committed, &own.application, Some(&api)).await?;
    Ok(committed.respond_tagged(Json(shown)))
}

/// Ends a subscription. A blocked one stays: its end would let the application subscribe again.
pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(SUBSCRIBES)?;
    let own = own(&admin, &caller, &id).await?;
    changeable(&own.application)?;
    let record = &own.subscription.record;
    if is_blocked(record) && !caller.is_administrator() {
        return Err(Refused::forbidden("the subscription is blocked, and administrators end it"));
    }
    let expected = if_match.expect(&own.subscription)?;
    let changes = vec![Change::Delete { kind: Kind::Subscription, id: record.id, expected }];
    let committed =
        admin.catalog.write(&caller, "unsubscribe", options, changes, Vec::new()).await?;
    Ok(committed.respond(StatusCode::OK))
}

/// `/subscriptions/{apiId}/additionalInfo`: those of the caller's applications.
pub(super) async fn additional(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Path(id): Path<String>,
    Parameters(search): Parameters<SubscriptionSearch>,
) -> Result<Response, Refused> {
    caller.needs(SUBSCRIBES)?;
    let range = search.page.range()?;
    let api = api(&admin, &id).await?;
    let group = search.group_id.filter(|group| !group.is_empty());
    let (page, total) =
        range.of(of_own_applications(&admin, &caller, &api.record.name, group).await?);
    let holders = SubscribedApplications::of(&admin.catalog, &page).await?;
    let list = page
        .iter()
        .filter_map(|own| Some(additional_info(own, holders.of_one(own)?.0, &api)))
        .collect();
    Ok(range.respond(&uri.0, list, total))
}

pub(super) async fn usage(caller: Caller) -> Result<Response, Refused> {
    caller.needs(SUBSCRIBES)?;
    Err(Refused::not_implemented("monetization"))
}
