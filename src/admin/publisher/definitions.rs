//! `/apis/{id}/swagger`, `/apis/import-openapi` and `/apis/validate-openapi`.

use std::sync::Arc;

use axum::Json;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::body::json_part;
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::nulls::without_nulls;
use crate::admin::object::Object;
use crate::admin::publisher::apis::creation;
use crate::admin::publisher::body::ApiBody;
use crate::admin::publisher::definition::{ApiDefinition, parse, read};
use crate::admin::publisher::definition_form::DefinitionForm;
use crate::admin::publisher::definition_shown::definition;
use crate::admin::publisher::one_api::{CREATE, changeable, commit, created, find};
use crate::admin::query::Parameters;
use crate::admin::refused::{ApiFault, Refused};
use crate::admin::state::Admin;
use crate::store::{Change, Kind, Record};

const SOURCES: [&str; 3] = ["file", "url", "inlineAPIDefinition"];
const OF_API: [&str; 3] = ["apiDefinition", "file", "url"];

/// WSO2's code of a definition that cannot be read.
const MALFORMED: u32 = 900_500;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DefinitionQuestion {
    return_content: Option<String>,
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    seen: IfNoneMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(&["api_view", "api_manage", "api_definition_view"])?;
    let api = find(&admin, &id).await?;
    let kept = sent(&admin, api.record.id).await?;
    let parts = kept.as_ref().map(|own| own.record.revision.to_string()).unwrap_or_default();
    let shown = definition(&api.record, kept.as_ref().and_then(|own| document(&own.record)));
    Ok(seen.respond(&api, &parts, Json(shown)))
}

/// Replaces the operations of an API by those of a definition.
pub(super) async fn put(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Refused> {
    caller.needs(CREATE)?;
    let api = changeable(&admin, &id).await?;
    let expected = if_match.expect(&api)?;
    let form = DefinitionForm::read(form, &OF_API).await?;
    let text = form.definition(&admin, &OF_API).await?.map_err(|why| unreadable(&[why]))?;
    let new = understood(&text).map_err(|faults| unreadable(&faults))?;
    let mut record = api.record;
    let operations = new.declared(record.declared.get("operations"));
    record.declared.insert("operations".to_owned(), operations);
    let shown = definition(&record, Some(new.document.clone()));
    let kept = match sent(&admin, record.id).await? {
        Some(old) => {
            let expected = Some(old.record.revision);
            let mut kept = old.record;
            keep(&mut kept, &new.document);
            Change::Update { record: kept, expected }
        }
        None => Change::Create(definition_record(&record, &new.document)),
    };
    let changes = vec![Change::Update { record, expected }, kept];
    let committed =
        commit(&admin, &caller, "update-definition", options, changes, Vec::new()).await?;
    Ok(committed.respond_tagged(Json(shown)))
}

pub(super) async fn import(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    OriginalUri(uri): OriginalUri,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Refused> {
    caller.needs(CREATE)?;
    let permitted = [SOURCES[0], SOURCES[1], SOURCES[2], "additionalProperties"];
    let mut form = DefinitionForm::read(form, &permitted).await?;
    let Some(properties) = form.take("additionalProperties") else {
        return Err(Refused::bad_request("`additionalProperties` is missing"));
    };
    let body: ApiBody = json_part("additionalProperties", &properties)?;
    let text = form.definition(&admin, &SOURCES).await?.map_err(|why| unreadable(&[why]))?;
    let new = understood(&text).map_err(|faults| unreadable(&faults))?;
    let mut record = creation(&admin, &caller, body, Some(new.declared(None))).await?;
    if let Some(description) = new.description.as_ref().filter(|own| own.len() <= MOST_DESCRIPTION)
    {
        record.extra.entry("description").or_insert_with(|| json!(description));
    }
    let kept = definition_record(&record, &new.document);
    let changes = vec![Change::Create(record), Change::Create(kept)];
    let committed = commit(&admin, &caller, "import-openapi", options, changes, Vec::new()).await?;
    created(&committed, &uri)
}

/// WSO2's limit of a description.
const MOST_DESCRIPTION: usize = 32_766;

pub(super) async fn validate(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Parameters(question): Parameters<DefinitionQuestion>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Refused> {
    caller.needs(CREATE)?;
    let with_content = match question.return_content.as_deref() {
        None | Some("false" | "") => false,
        Some("true") => true,
        Some(_) => return Err(Refused::bad_request("`returnContent` is true or false")),
    };
    let form = DefinitionForm::read(form, &SOURCES).await?;
    let text = match form.definition(&admin, &SOURCES).await? {
        Ok(text) => text,
        Err(why) => return Ok(judged(None, None, &[why])),
    };
    Ok(match understood(&text) {
        Ok(definition) => judged(Some(&definition), with_content.then_some(&text), &[]),
        Err(faults) => judged(None, None, &faults),
    })
}

fn understood(text: &str) -> Result<ApiDefinition, Vec<String>> {
    parse(text).map_err(|fault| vec![fault]).and_then(read)
}

fn judged(found: Option<&ApiDefinition>, content: Option<&String>, faults: &[String]) -> Response {
    let operations = |own: &ApiDefinition| {
        let mut api = Record::new(Kind::Api, Uuid::nil(), "");
        api.declared.insert("operations".to_owned(), own.declared(None));
        crate::admin::publisher::operations::operations_shown(&api)
    };
    let info = found.map(|own| {
        json!({
            "name": own.title,
            "version": own.version,
            "context": "",
            "description": own.description,
            "openAPIVersion": own.specification,
            "endpoints": own.endpoints,
            "operations": operations(own),
        })
    });
    let answer = json!({ "isValid": found.is_some(), "content": content, "info": info,
                         "errors": api_faults(faults) });
    Json(without_nulls(answer)).into_response()
}

fn api_faults(faults: &[String]) -> Vec<ApiFault> {
    let each = faults.iter().cloned();
    each.map(|message| ApiFault { code: MALFORMED.to_string(), message }).collect()
}

fn unreadable(faults: &[String]) -> Refused {
    let description = format!("the definition cannot be used: {}", faults.join("; "));
    let message = "Failed to retrieve API Definition";
    let mut refused = Refused::new(StatusCode::BAD_REQUEST, MALFORMED, message, description);
    refused.errors = api_faults(faults);
    refused
}

async fn sent(admin: &Admin, api: Uuid) -> Result<Option<Object>, Refused> {
    Ok(admin.catalog.get(Kind::Definition, api).await?)
}

fn document(kept: &Record) -> Option<Value> {
    serde_json::from_str(kept.extra.get("definition")?.as_str()?).ok()
}

fn definition_record(api: &Record, document: &Value) -> Record {
    let mut record = Record::new(Kind::Definition, api.id, api.name.clone());
    keep(&mut record, document);
    record
}

/// A text, so that the audit log tells its length and not each part.
fn keep(record: &mut Record, document: &Value) {
    record.extra.insert("definition".to_owned(), json!(document.to_string()));
}
