//! `/applications`: the applications for which developers register clients.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;
use uuid::Uuid;

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{Committed, WriteOptions, WriteRefused};
use crate::admin::devportal::application::{
    ApplicationBody, ApplicationInfo, ShownApplication, give_to,
};
use crate::admin::devportal::policies::{PolicyKind, is_known};
use crate::admin::devportal::visible::{
    application, changeable, children, owns, subscription_count, unknown_application,
};
use crate::admin::entity_tag::{IfMatch, IfNoneMatch, tag};
use crate::admin::object::Object;
use crate::admin::paging::PageQuery;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Query, Record, SortBy, SortOrder, StoreError, WriteCondition};

pub(super) const SEES: &[&str] = &["subscribe", "app_manage"];
pub(super) const LISTS: &[&str] = &["subscribe", "app_manage", "app_import_export"];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationSearch {
    group_id: Option<String>,
    /// The beginning of a name.
    query: Option<String>,
    /// Asks for the application of this client.
    consumer_key: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: axum::extract::OriginalUri,
    Parameters(search): Parameters<ApplicationSearch>,
) -> Result<Response, Refused> {
    caller.needs(LISTS)?;
    let range = search.page.range()?;
    if let Some(consumer_key) = &search.consumer_key {
        let found = holders(&admin, &caller, consumer_key).await?;
        let (page, total) = range.of(found);
        return respond(&admin, range, &uri.0, page, total).await;
    }
    let mut query = Query {
        prefix: search.query.filter(|prefix| !prefix.is_empty()),
        sort_by: sort_by(search.sort_by.as_deref())?,
        order: sort_order(search.sort_order.as_deref())?,
        offset: range.offset,
        limit: range.limit,
        ..Query::of(Kind::Application)
    };
    match search.group_id.filter(|group| !group.is_empty()) {
        Some(group) if caller.is_administrator() || caller.groups.contains(&group) => {
            query.groups = vec![group];
        }
        Some(_) => return respond(&admin, range, &uri.0, Vec::new(), 0).await,
        None if caller.is_administrator() => {}
        None => {
            query.owner = Some(caller.name.clone());
            query.groups.clone_from(&caller.groups);
        }
    }
    let page = admin.catalog.page(&query).await?;
    respond(&admin, range, &uri.0, page.items, page.total).await
}

/// Answers a page of applications. The administrator's list has the same form.
pub(in crate::admin) async fn respond(
    admin: &Admin,
    range: crate::admin::paging::PageRange,
    uri: &Uri,
    page: Vec<Object>,
    total: u64,
) -> Result<Response, Refused> {
    let ids: Vec<_> = page.iter().map(|object| object.record.id).collect();
    let counts = admin.catalog.child_counts(Kind::Subscription, &ids).await?;
    let count = |id| counts.get(id).copied().unwrap_or_default();
    let list =
        page.iter().map(|object| ApplicationInfo::of(object, count(&object.record.id))).collect();
    Ok(range.respond(uri, list, total))
}

/// Returns the applications that a client id stands for: at most one of each key manager.
async fn holders(
    admin: &Admin,
    caller: &Caller,
    consumer_key: &str,
) -> Result<Vec<Object>, Refused> {
    let mut found: Vec<Object> = Vec::new();
    for key_manager in admin.catalog.all(Kind::KeyManager).await? {
        let name = Record::key_name(&key_manager.record.name, consumer_key);
        let key = admin.catalog.named(Kind::Key, &name).await?;
        let Some(id) = key.and_then(|key| key.record.parent) else { continue };
        let holder = admin.catalog.get(Kind::Application, id).await?;
        let holder = holder.filter(|holder| owns(caller, holder));
        found.extend(holder.filter(|_| !found.iter().any(|known| known.record.id == id)));
    }
    Ok(found)
}

pub(in crate::admin) fn sort_by(text: Option<&str>) -> Result<SortBy, Refused> {
    match text {
        // all applications are approved
        None | Some("name" | "status") => Ok(SortBy::Name),
        Some("owner") => Ok(SortBy::Owner),
        Some("createdTime") => Ok(SortBy::CreatedAt),
        Some("updatedTime") => Ok(SortBy::UpdatedAt),
        Some(_) => {
            Err(Refused::bad_request("`sortBy` is name, status, owner, createdTime or updatedTime"))
        }
    }
}

pub(in crate::admin) fn sort_order(text: Option<&str>) -> Result<SortOrder, Refused> {
    match text {
        None | Some("asc") => Ok(SortOrder::Ascending),
        Some("desc") => Ok(SortOrder::Descending),
        Some(_) => Err(Refused::bad_request("`sortOrder` is asc or desc")),
    }
}

pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    body: JsonBody<ApplicationBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let body = body.read()?;
    body.check(&caller, None)?;
    policy_exists(&admin, &body.throttling_policy).await?;
    if let Some(other) = admin.catalog.named(Kind::Application, &body.name).await? {
        return Err(taken(&caller, Some(&other)));
    }
    let mut record = Record::new(Kind::Application, Uuid::new_v4(), body.name.clone());
    give_to(&mut record, &caller.name);
    body.put_into(&mut record);
    let changes = vec![Change::Create(record)];
    let written = admin.catalog.write(&caller, "create-application", options, changes, Vec::new());
    let committed = written.await.map_err(|refused| refusal(&caller, refused))?;
    let mut response = shown(&admin, &committed, StatusCode::CREATED).await?;
    if let Some(record) = committed.records.first()
        && let Ok(place) =
            HeaderValue::from_str(&format!("/api/am/devportal/v3/applications/{}", record.id))
    {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    if_none_match: IfNoneMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let object = application(&admin, &caller, &id).await?;
    let (parts, body) = whole(&admin, &object).await?;
    Ok(if_none_match.respond(&object, &parts, Json(body)))
}

pub(super) async fn update(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
    body: JsonBody<ApplicationBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let body = body.read()?;
    let object = application(&admin, &caller, &id).await?;
    let committed = change(&admin, &caller, options, &if_match, &object, &body).await?;
    shown(&admin, &committed, StatusCode::OK).await
}

/// Changes an application's fields. The administrator's call does the same.
pub(in crate::admin) async fn change(
    admin: &Admin,
    caller: &Caller,
    options: WriteOptions,
    if_match: &IfMatch,
    object: &Object,
    body: &ApplicationBody,
) -> Result<Committed, Refused> {
    changeable(object)?;
    let expected = if_match.expect(object)?;
    body.check(caller, Some(&object.record))?;
    policy_exists(admin, &body.throttling_policy).await?;
    if body.name != object.record.name
        && let Some(other) = admin.catalog.named(Kind::Application, &body.name).await?
    {
        return Err(taken(caller, Some(&other)));
    }
    let mut record = object.record.clone();
    body.put_into(&mut record);
    let changes = vec![Change::Update { record, expected }];
    let written = admin.catalog.write(caller, "update-application", options, changes, Vec::new());
    written.await.map_err(|refused| refusal(caller, refused))
}

/// Answers with the application that was written.
pub(in crate::admin) async fn shown(
    admin: &Admin,
    committed: &Committed,
    status: StatusCode,
) -> Result<Response, Refused> {
    let Some(record) = committed.records.first() else { return Err(unknown_application()) };
    let object = Object::kept(record.clone());
    let (parts, body) = whole(admin, &object).await?;
    let mut response = committed.respond((status, Json(body)));
    if committed.revision.is_some()
        && let Some(tag) = tag(&object, &parts)
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response.into_response())
}

/// Returns the application in its shown form, with the state of its keys and subscriptions for the
/// tag: a removed one changes the counts, an added one changes the revision.
pub(in crate::admin) async fn whole(
    admin: &Admin,
    object: &Object,
) -> Result<(String, ShownApplication), Refused> {
    let keys = children(admin, Kind::Key, object.record.id).await?;
    let subscriptions = subscription_count(admin, object.record.id).await?;
    let latest = keys.iter().map(|key| key.record.revision).max().unwrap_or_default();
    let parts = format!("{}.{latest}.{subscriptions}", keys.len());
    Ok((parts, ShownApplication::of(object, &keys, subscriptions)))
}

/// Refuses a policy that is not of the level "application".
pub(super) async fn policy_exists(admin: &Admin, name: &str) -> Result<(), Refused> {
    if name.is_empty() {
        let description = "`throttlingPolicy` is empty";
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            900_304,
            "The tier cannot be null.",
            description,
        ));
    }
    if is_known(admin, PolicyKind::Application, name).await? {
        return Ok(());
    }
    let description = "`throttlingPolicy` names no policy of applications";
    Err(Refused::new(StatusCode::BAD_REQUEST, 900_305, "The tier name is invalid.", description))
}

/// Refuses a name that another application has. Names are unique over all owners, because limits
/// and logs use them. The owner is told only to a caller who may see that application.
pub(super) fn taken(caller: &Caller, other: Option<&Object>) -> Refused {
    let description = match other.filter(|other| owns(caller, other)) {
        Some(other) => match (&other.declared_at, &other.record.owner) {
            (Some(place), _) => format!("an application of this name is declared in {place}"),
            (None, Some(owner)) => format!("an application of this name belongs to {owner}"),
            (None, None) => "an application of this name exists".to_owned(),
        },
        None => "an application of this name exists".to_owned(),
    };
    Refused::new(StatusCode::CONFLICT, 900_301, "The application already exists.", description)
}

pub(in crate::admin) fn refusal(caller: &Caller, refused: WriteRefused) -> Refused {
    match refused {
        WriteRefused::Store(StoreError::Taken { kind: Kind::Application, .. }) => {
            taken(caller, None)
        }
        // the application of a faster call may not be visible yet
        WriteRefused::Store(StoreError::Taken { kind: Kind::Key, .. }) => {
            let description = "the consumer key belongs to another application";
            let message = "Key Mappings already exists";
            Refused::new(StatusCode::CONFLICT, 901_409, message, description)
        }
        WriteRefused::Store(StoreError::Taken { kind: Kind::Subscription, .. }) => {
            let description = "the application subscribes to this API already";
            let message = "Subscription already exists";
            Refused::new(StatusCode::CONFLICT, 900_336, message, description)
        }
        WriteRefused::Store(StoreError::Missing { kind: Kind::Application, .. }) => {
            unknown_application()
        }
        other => other.into(),
    }
}

/// The application stays while something is added to it.
pub(in crate::admin) fn stays(application: &Object) -> WriteCondition {
    WriteCondition::Exists { kind: Kind::Application, id: application.record.id }
}
