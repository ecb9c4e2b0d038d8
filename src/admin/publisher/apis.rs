//! `/apis`: lists, and one by one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;

use crate::admin::addresses::check_address;
use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{Committed, WriteOptions, WriteRefused};
use crate::admin::devportal::apis::unknown_api;
use crate::admin::entity_tag::{IfMatch, IfNoneMatch, tag};
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::paging::PageQuery;
use crate::admin::publisher::body::ApiBody;
use crate::admin::publisher::read::{
    PublishedApiDraft, base_path, draft, taken_context, taken_name,
};
use crate::admin::publisher::search::ApiSearchTerms;
use crate::admin::publisher::shown;
use crate::admin::publisher::state::{PublicationState, put};
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Query, StoreError, WriteCondition};

const VIEW: &[&str] = &["api_view", "api_manage", "api_import_export"];
const LIST: &[&str] = &["api_view", "api_manage", "api_import_export", "api_list_view"];
pub(super) const CREATE: &[&str] = &["api_create", "api_manage"];
const CHANGE: &[&str] = &["api_create", "api_manage", "api_publish"];
const DELETE: &[&str] = &["api_delete", "api_manage", "api_import_export"];

#[derive(Debug, Default, Deserialize)]
pub(super) struct PublisherSearch {
    query: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Parameters(search): Parameters<PublisherSearch>,
) -> Result<Response, Refused> {
    caller.needs(LIST)?;
    let range = search.page.range()?;
    let terms = ApiSearchTerms::read(search.query.as_deref().unwrap_or_default())?;
    let mut all = admin.catalog.all(Kind::Api).await?;
    all.retain(|api| terms.fit(&api.record));
    let (page, total) = range.of(all);
    Ok(range.respond(&uri.0, page.iter().map(shown::info).collect(), total))
}

pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    OriginalUri(uri): OriginalUri,
    JsonBody(body): JsonBody<ApiBody>,
) -> Result<Response, Refused> {
    caller.needs(CREATE)?;
    let changes = creation(&admin, &caller, body).await?;
    let committed = commit(&admin, &caller, "create-api", options, changes, Vec::new()).await?;
    created(&committed, &uri)
}

/// Returns the change that makes an API, which begins as one that is not published.
pub(super) async fn creation(
    admin: &Admin,
    caller: &Caller,
    body: ApiBody,
) -> Result<Vec<Change>, Refused> {
    if let Some(state) = body.life_cycle_status.as_deref()
        && !state.is_empty()
        && PublicationState::named(state) != Some(PublicationState::Created)
    {
        return Err(Refused::bad_request(
            "`lifeCycleStatus` of a new API is CREATED; `change-lifecycle` changes it",
        ));
    }
    let provider = body.provider.clone().filter(|own| !own.is_empty());
    if provider.as_ref().is_some_and(|own| *own != caller.name && !caller.is_administrator()) {
        return Err(Refused::bad_request("`provider` is the user who creates the API"));
    }
    let provider = provider.unwrap_or_else(|| caller.name.clone());
    crate::admin::texts::name("provider", &provider, 200)?;
    let draft = draft(body)?;
    check_addresses(admin, &draft).await?;
    refuse_taken(admin, &draft).await?;
    let mut record = draft.into_record();
    record.owner = Some(provider);
    put(&mut record, PublicationState::Created, false);
    Ok(vec![Change::Create(record)])
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    seen: IfNoneMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(VIEW)?;
    let api = find(&admin, &id).await?;
    Ok(seen.respond(&api, "", Json(shown::api(&api))))
}

pub(super) async fn update(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<ApiBody>,
) -> Result<Response, Refused> {
    caller.needs(CHANGE)?;
    let api = changeable(&admin, &id).await?;
    let expected = if_match.expect(&api)?;
    let mut record = api.record;
    let state = PublicationState::of(&record).word();
    let differs = |text: &Option<String>, own: &str| {
        text.as_deref().is_some_and(|text| !text.is_empty() && text != own)
    };
    if differs(&body.life_cycle_status, state) {
        let description = format!("`lifeCycleStatus` is {state}; `change-lifecycle` changes it");
        return Err(Refused::bad_request(description));
    }
    if differs(&body.provider, shown::provider(&record)) {
        return Err(Refused::bad_request("`provider` cannot be changed"));
    }
    if body.operations.as_ref().is_none_or(Vec::is_empty) {
        return Err(Refused::bad_request("`operations` is missing"));
    }
    let draft = draft(body)?;
    for (field, new) in
        [("name", &draft.name), ("version", &draft.version), ("context", &draft.context)]
    {
        if record.text(field) != Some(new.as_str()) {
            return Err(Refused::bad_request(format!("`{field}` cannot be changed")));
        }
    }
    check_addresses(&admin, &draft).await?;
    draft.replace(&mut record);
    let changes = vec![Change::Update { record, expected }];
    let committed = commit(&admin, &caller, "update-api", options, changes, Vec::new()).await?;
    answer(&committed, StatusCode::OK)
}

/// Deletes an API that nobody subscribes to.
pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(DELETE)?;
    let api = changeable(&admin, &id).await?;
    let expected = if_match.expect(&api)?;
    let (id, name) = (api.record.id, api.record.name);
    let target = Some(name.clone());
    let query = Query { target, limit: 0, ..Query::of(Kind::Subscription) };
    if admin.catalog.page(&query).await?.total > 0 {
        return Err(in_use());
    }
    let changes = vec![Change::Delete { kind: Kind::Api, id, expected }];
    let conditions = vec![WriteCondition::Untargeted { kind: Kind::Subscription, target: name }];
    let committed = commit(&admin, &caller, "delete-api", options, changes, conditions).await?;
    Ok(committed.respond(StatusCode::OK))
}

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

async fn check_addresses(admin: &Admin, draft: &PublishedApiDraft) -> Result<(), Refused> {
    let declared = admin.catalog.declared();
    let networks = declared.calls.networks.clone().unwrap_or_default();
    for (field, address) in &draft.addresses {
        check_address(field, address, &networks).await?;
    }
    Ok(())
}

async fn refuse_taken(admin: &Admin, draft: &PublishedApiDraft) -> Result<(), Refused> {
    let (name, place) = (draft.full_name(), base_path(&draft.context, &draft.version));
    for other in admin.catalog.all(Kind::Api).await? {
        if other.record.name == name {
            return Err(taken_name(&name));
        }
        let text = |key: &str| other.record.text(key).unwrap_or_default();
        // an API of a file can be for a host of its own
        let every_host = other
            .record
            .declared
            .get("hosts")
            .is_none_or(|hosts| hosts.as_array().is_none_or(Vec::is_empty));
        if every_host && base_path(text("context"), text("version")) == place {
            return Err(taken_context(&draft.context));
        }
    }
    Ok(())
}

/// Makes changes of an API, whose record is the first.
pub(super) async fn commit(
    admin: &Admin,
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
    let written = admin.catalog.write(caller, action, options, changes, conditions).await;
    written.map_err(|refused| match refused {
        WriteRefused::Store(StoreError::Taken { kind: Kind::Api, name, .. }) => match names {
            Some((own, _)) if own == name => taken_name(&own),
            Some((_, context)) => taken_context(&context),
            None => taken_name(&name),
        },
        WriteRefused::Store(StoreError::InUse { kind: Kind::Subscription, .. }) => in_use(),
        other => other.into(),
    })
}

fn in_use() -> Refused {
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

fn answer(committed: &Committed, status: StatusCode) -> Result<Response, Refused> {
    let Some(record) = committed.records.first().cloned() else {
        return Err(Refused::plain(StatusCode::INTERNAL_SERVER_ERROR, "nothing was kept"));
    };
    let api = Object::kept(record);
    let mut response = committed.respond((status, Json(shown::api(&api))));
    if let Some(tag) = tag(&api, "") {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}
