//! `/apis`: lists, and one by one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::admin::addresses::check_address;
use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::paging::PageQuery;
use crate::admin::publisher::body::ApiBody;
use crate::admin::publisher::one_api::{CREATE, answer, changeable, commit, created, find, in_use};
use crate::admin::publisher::read::{
    PublishedApiDraft, base_path, draft, taken_context, taken_name,
};
use crate::admin::publisher::search::ApiSearchTerms;
use crate::admin::publisher::shared_scope::scopes_exist;
use crate::admin::publisher::shown;
use crate::admin::publisher::state::{PublicationState, put};
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::store::{Change, Kind, Query, Record, WriteCondition};

const VIEW: &[&str] = &["api_view", "api_manage", "api_import_export", "api_product_import_export"];
const LIST: &[&str] = &["api_view", "api_manage", "api_import_export", "api_list_view"];
const CHANGE: &[&str] = &["api_create", "api_manage", "api_publish"];
const DELETE: &[&str] = &["api_delete", "api_manage", "api_import_export"];

/// WSO2's limit.
const MOST_PROVIDER: usize = 200;

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
    body: JsonBody<ApiBody>,
) -> Result<Response, Refused> {
    caller.needs(CREATE)?;
    let body = body.read()?;
    let record = creation(&admin, &caller, body, None).await?;
    let changes = vec![Change::Create(record)];
    let committed = commit(&admin, &caller, "create-api", options, changes, Vec::new()).await?;
    created(&committed, &uri)
}

/// Makes the record of a new API, which begins as one that is not published. `operations` are those
/// of a definition, for a body without any.
pub(super) async fn creation(
    admin: &Admin,
    caller: &Caller,
    body: ApiBody,
    operations: Option<Value>,
) -> Result<Record, Refused> {
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
    texts::name("provider", &provider, MOST_PROVIDER)?;
    let draft = draft(body, operations)?;
    check_addresses(admin, &draft).await?;
    refuse_taken(admin, &draft).await?;
    let mut record = draft.into_record();
    record.owner = Some(provider);
    scopes_exist(admin, &record).await?;
    put(&mut record, PublicationState::Created, false);
    Ok(record)
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
    body: JsonBody<ApiBody>,
) -> Result<Response, Refused> {
    caller.needs(CHANGE)?;
    let body = body.read()?;
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
    let draft = draft(body, None)?;
    for (field, new) in
        [("name", &draft.name), ("version", &draft.version), ("context", &draft.context)]
    {
        if record.text(field) != Some(new.as_str()) {
            return Err(Refused::bad_request(format!("`{field}` cannot be changed")));
        }
    }
    check_addresses(&admin, &draft).await?;
    draft.replace(&mut record);
    scopes_exist(&admin, &record).await?;
    let changes = vec![Change::Update { record, expected }];
    let committed = commit(&admin, &caller, "update-api", options, changes, Vec::new()).await?;
    answer(&committed, StatusCode::OK)
}

/// Deletes an API without subscribers.
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
    let mut changes = vec![Change::Delete { kind: Kind::Api, id, expected }];
    let query = Query { parent: Some(id), ..Query::of(Kind::ApiRevision) };
    let revisions = admin.catalog.every(query).await?.into_iter();
    changes.extend(revisions.map(|own| Change::Delete {
        kind: Kind::ApiRevision,
        id: own.record.id,
        expected: None,
    }));
    if admin.catalog.get(Kind::Definition, id).await?.is_some() {
        changes.push(Change::Delete { kind: Kind::Definition, id, expected: None });
    }
    let conditions = vec![
        WriteCondition::Untargeted { kind: Kind::Subscription, target: name },
        // a revision that comes in the meantime would have no API
        WriteCondition::Childless { kind: Kind::ApiRevision, parent: id },
    ];
    let committed = commit(&admin, &caller, "delete-api", options, changes, conditions).await?;
    Ok(committed.respond(StatusCode::OK))
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
