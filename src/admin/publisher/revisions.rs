//! Revisions and deployments, which WSO2's scripts ask for after each change.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::publisher::one_api::{changeable, commit, created, find};
use crate::admin::publisher::revision::{
    ENVIRONMENT, MOST_REVISIONS, deployment, has_content_of, is_deployed, made, marks, number,
    restore, revisions, shown, too_many,
};
use crate::admin::publisher::state::{PublicationState, put};
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::store::{Change, Kind, Record, WriteCondition};

const SEE: &[&str] = &["api_view", "api_create", "api_manage", "api_publish", "api_import_export"];
const CHANGE: &[&str] = &["api_create", "api_manage", "api_publish", "api_import_export"];

/// WSO2's limit of a description, and of a host.
const MOST_TEXT: usize = 255;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RevisionChoice {
    query: Option<String>,
    revision_id: Option<String>,
    revision_number: Option<String>,
    all_environments: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RevisionBody {
    description: Option<String>,
    #[serde(rename = "displayName")]
    _display_name: Option<Value>,
    #[serde(rename = "id")]
    _id: Option<Value>,
    #[serde(rename = "createdTime")]
    _created_time: Option<Value>,
    #[serde(rename = "apiInfo")]
    _api_info: Option<Value>,
    #[serde(rename = "deploymentInfo")]
    _deployment_info: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct DeploymentBody {
    name: Option<String>,
    vhost: Option<String>,
    display_on_devportal: Option<bool>,
    #[serde(rename = "revisionUuid")]
    _revision_uuid: Option<Value>,
    #[serde(rename = "status")]
    _status: Option<Value>,
    #[serde(rename = "deployedTime")]
    _deployed_time: Option<Value>,
    #[serde(rename = "successDeployedTime")]
    _success_deployed_time: Option<Value>,
    #[serde(rename = "liveGatewayCount")]
    _live_gateway_count: Option<Value>,
    #[serde(rename = "deployedGatewayCount")]
    _deployed_gateway_count: Option<Value>,
    #[serde(rename = "failedGatewayCount")]
    _failed_gateway_count: Option<Value>,
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    Parameters(choice): Parameters<RevisionChoice>,
) -> Result<Response, Refused> {
    caller.needs(SEE)?;
    let api = find(&admin, &id).await?;
    let mut all = revisions(&admin, &api).await?;
    match choice.query.as_deref() {
        None | Some("") => {}
        Some("deployed:true") => all.retain(|own| is_deployed(&own.record)),
        Some("deployed:false") => all.retain(|own| !is_deployed(&own.record)),
        Some(_) => {
            return Err(Refused::bad_request("`query` is deployed:true or deployed:false"));
        }
    }
    Ok(Json(listed(&all)).into_response())
}

fn listed(all: &[Object]) -> Value {
    json!({ "count": all.len(), "list": all.iter().map(shown).collect::<Vec<_>>() })
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((id, revision)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEE)?;
    let api = find(&admin, &id).await?;
    let all = revisions(&admin, &api).await?;
    Ok(Json(shown(chosen(&all, &revision)?)).into_response())
}

pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    Path(id): Path<String>,
    body: JsonBody<RevisionBody>,
) -> Result<Response, Refused> {
    caller.needs(CHANGE)?;
    let body = body.read()?;
    let api = changeable(&admin, &id).await?;
    let description = body.description.unwrap_or_default();
    texts::prose("description", &description, MOST_TEXT)?;
    let all = revisions(&admin, &api).await?;
    if all.len() >= MOST_REVISIONS {
        return Err(too_many());
    }
    let next = all.last().map_or(0, |last| number(&last.record)).saturating_add(1);
    let record = made(api.record.id, next, &api.record, &description);
    let changes = vec![Change::Create(record)];
    let conditions = vec![WriteCondition::Exists { kind: Kind::Api, id: api.record.id }];
    let committed =
        commit(&admin, &caller, "create-revision", options, changes, conditions).await?;
    let Some(record) = committed.records.first().cloned() else { return Err(unknown()) };
    Ok(committed.respond((StatusCode::CREATED, Json(shown(&Object::kept(record))))))
}

pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    Path((id, revision)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(CHANGE)?;
    let api = changeable(&admin, &id).await?;
    let mut all = revisions(&admin, &api).await?;
    let found = &chosen(&all, &revision)?.record;
    if is_deployed(found) {
        let message = "Can not delete API Revision ";
        let description = "the revision is deployed; undeploy it first";
        return Err(Refused::new(StatusCode::BAD_REQUEST, 900_348, message, description));
    }
    let (id, expected) = (found.id, Some(found.revision));
    let changes = vec![Change::Delete { kind: Kind::ApiRevision, id, expected }];
    let committed =
        commit(&admin, &caller, "delete-revision", options, changes, Vec::new()).await?;
    all.retain(|own| own.record.id != id);
    Ok(committed.respond(Json(listed(&all))))
}

pub(super) async fn deployments(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(SEE)?;
    let api = find(&admin, &id).await?;
    let all = revisions(&admin, &api).await?;
    let list: Vec<_> = all.iter().filter_map(|own| deployment(&own.record)).collect();
    Ok(Json(json!({ "list": list })).into_response())
}

/// Brings a revision into force: the API has its content then.
pub(super) async fn deploy(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    Path(id): Path<String>,
    Parameters(choice): Parameters<RevisionChoice>,
    bodies: JsonBody<Vec<DeploymentBody>>,
) -> Result<Response, Refused> {
    caller.needs(CHANGE)?;
    let bodies = bodies.read()?;
    let api = changeable(&admin, &id).await?;
    let Some(body) = bodies.first() else {
        return Err(Refused::bad_request("the body names no environment"));
    };
    bodies.iter().try_for_each(check_environment)?;
    let host = body.vhost.as_deref().filter(|host| !host.is_empty()).unwrap_or("localhost");
    check_host(host)?;
    let all = revisions(&admin, &api).await?;
    let found = chosen(&all, choice.revision_id.as_deref().unwrap_or_default())?;
    let shown = body.display_on_devportal.unwrap_or(true);
    let expected = Some(api.record.revision);
    let mut record = api.record.clone();
    bring_back(&mut record, found, &all)?;
    put_deployed(&mut record);
    let mut changes = marks(&all, Some((found.record.id, host, shown)));
    if record != api.record {
        changes.insert(0, Change::Update { record, expected });
    }
    // a state that holds already is only reported
    if !changes.is_empty() {
        let committed =
            commit(&admin, &caller, "deploy-revision", options, changes, Vec::new()).await?;
        let deployed = committed.records.iter().filter_map(deployment).collect::<Vec<_>>();
        if !deployed.is_empty() {
            return Ok(committed.respond(Json(deployed)));
        }
    }
    let deployed: Vec<_> = deployment(&found.record).into_iter().collect();
    Ok(Json(deployed).into_response())
}

/// An API that is not published, or retired, stays so.
fn put_deployed(record: &mut Record) {
    let state = PublicationState::of(record);
    put(record, state, false);
}

fn bring_back(record: &mut Record, revision: &Object, all: &[Object]) -> Result<(), Refused> {
    if has_content_of(&revision.record, record) {
        return Ok(());
    }
    if !all.iter().any(|own| has_content_of(&own.record, record)) {
        return Err(Refused::conflict(
            "the API was changed after its last revision, and its present content would be lost; \
             make a revision of it first",
        ));
    }
    restore(record, &revision.record)
}

/// Takes the API out of the gateways.
pub(super) async fn undeploy(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    Path(id): Path<String>,
    Parameters(choice): Parameters<RevisionChoice>,
    bodies: JsonBody<Vec<DeploymentBody>>,
) -> Result<Response, Refused> {
    caller.needs(CHANGE)?;
    let bodies = bodies.read()?;
    let api = changeable(&admin, &id).await?;
    bodies.iter().try_for_each(check_environment)?;
    if bodies.is_empty() && choice.all_environments.as_deref() != Some("true") {
        return Err(Refused::bad_request("the body names no environment"));
    }
    let all = revisions(&admin, &api).await?;
    let found = match (choice.revision_id.as_deref(), choice.revision_number.as_deref()) {
        (Some(id), _) => chosen(&all, id)?,
        (None, Some(text)) => {
            let wanted = text.parse().ok();
            let mut all = all.iter();
            all.find(|own| Some(number(&own.record)) == wanted).ok_or_else(unknown)?
        }
        (None, None) => return Err(Refused::bad_request("`revisionId` is missing")),
    };
    let Some(mut deployed) = deployment(&found.record) else {
        let description = "the revision is not deployed";
        let message = "Existing Deployment Not Found";
        return Err(Refused::new(StatusCode::NOT_FOUND, 900_356, message, description));
    };
    let expected = Some(api.record.revision);
    let mut record = api.record.clone();
    let state = PublicationState::of(&record);
    put(&mut record, state, true);
    let mut changes = vec![Change::Update { record, expected }];
    changes.extend(marks(&all, None));
    let committed =
        commit(&admin, &caller, "undeploy-revision", options, changes, Vec::new()).await?;
    if let Some(members) = deployed.as_object_mut() {
        members.remove("deployedTime");
        members.remove("successDeployedTime");
    }
    Ok(committed.respond((StatusCode::CREATED, Json(json!([deployed])))))
}

/// Gives the API the content of a revision.
pub(super) async fn restored(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<String>,
    Parameters(choice): Parameters<RevisionChoice>,
) -> Result<Response, Refused> {
    caller.needs(CHANGE)?;
    let api = changeable(&admin, &id).await?;
    let all = revisions(&admin, &api).await?;
    let found = chosen(&all, choice.revision_id.as_deref().unwrap_or_default())?;
    let expected = Some(api.record.revision);
    let mut record = api.record.clone();
    restore(&mut record, &found.record)?;
    let changes = vec![Change::Update { record, expected }];
    let committed =
        commit(&admin, &caller, "restore-revision", options, changes, Vec::new()).await?;
    created(&committed, &uri)
}

fn chosen<'a>(all: &'a [Object], id: &str) -> Result<&'a Object, Refused> {
    let id = object_id(id).ok_or_else(unknown)?;
    all.iter().find(|own| own.record.id == id).ok_or_else(unknown)
}

fn unknown() -> Refused {
    let description = "the API has no revision with this id";
    Refused::new(StatusCode::NOT_FOUND, 900_347, "API Revision Not Found", description)
}

fn check_environment(body: &DeploymentBody) -> Result<(), Refused> {
    if body.name.as_deref() == Some(ENVIRONMENT) {
        return Ok(());
    }
    let description = format!("`name`: the only environment is {ENVIRONMENT:?}");
    let message = "Invalid Gateway Environment";
    Err(Refused::new(StatusCode::BAD_REQUEST, 900_504, message, description))
}

fn check_host(host: &str) -> Result<(), Refused> {
    texts::name("vhost", host, MOST_TEXT)?;
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|own| own.is_ascii_alphanumeric() || own == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.split('.').all(label) {
        return Ok(());
    }
    Err(Refused::bad_request("`vhost` is not a host name"))
}
