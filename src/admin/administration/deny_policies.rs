//! Deny policies: requests that are refused before anything is counted.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{Catalog, Committed, WriteOptions, WriteRefused};
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::json_text::told;
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::model::policy::AddressRange;
use crate::store::{Change, Kind, Record, StoreError};

const VIEW: &[&str] = &["admin", "bl_view"];
const MANAGE: &[&str] = &["admin", "bl_manage"];

/// The longest text of a condition.
const MOST_VALUE: usize = 512;

/// WSO2's types, and those of `gateway.toml`.
const TYPES: [(&str, &str); 5] = [
    ("API", "api"),
    ("APPLICATION", "application"),
    ("USER", "user"),
    ("IP", "ip"),
    ("IPRANGE", "ip_range"),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DenyBody {
    /// The id that was shown; a new one gets its own.
    #[serde(default, rename = "conditionId")]
    _condition_id: Option<String>,
    condition_type: String,
    condition_value: Value,
    #[serde(default)]
    condition_status: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DenyStatus {
    /// The path tells the id.
    #[serde(default, rename = "conditionId")]
    _condition_id: Option<String>,
    condition_status: bool,
}

#[derive(Debug, Default, Deserialize)]
struct DenyQuery {
    query: Option<String>,
}

/// Addresses as WSO2 has them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeniedAddresses {
    fixed_ip: Option<String>,
    starting_ip: Option<String>,
    ending_ip: Option<String>,
    #[serde(default)]
    invert: bool,
}

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/throttling/deny-policies", get(list).post(create))
        .route("/throttling/deny-policy/{id}", get(show).patch(switch).delete(delete))
}

async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Parameters(query): Parameters<DenyQuery>,
) -> Result<Response, Refused> {
    caller.needs(VIEW)?;
    let wanted = wanted(query.query.as_deref().unwrap_or_default())?;
    let all = admin.catalog.all(Kind::DenyCondition).await?;
    let shown = all.iter().map(shown);
    let list: Vec<_> =
        shown.filter(|own| wanted.iter().all(|(key, text)| fits(own, key, text))).collect();
    Ok(Json(json!({ "count": list.len(), "list": list })).into_response())
}

async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    OriginalUri(uri): OriginalUri,
    body: JsonBody<DenyBody>,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let body = body.read()?;
    let declared = declared(&body)?;
    must_exist(&admin.catalog, &declared).await?;
    let place = place(&declared);
    let all = admin.catalog.all(Kind::DenyCondition).await?;
    if all.iter().any(|own| self::place(&own.record.declared) == place) {
        return Err(taken());
    }
    let id = Uuid::new_v4();
    let mut record = Record::new(Kind::DenyCondition, id, id.to_string());
    record.place = Some(place);
    record.declared = declared;
    let changes = vec![Change::Create(record)];
    let written =
        admin.catalog.write(&caller, "create-deny-policy", options, changes, Vec::new()).await;
    let mut response = answer(&written.map_err(of_write)?, StatusCode::CREATED);
    let base = uri.path().trim_end_matches("deny-policies");
    if let Ok(place) = HeaderValue::from_str(&format!("{base}deny-policy/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    seen: IfNoneMatch,
) -> Result<Response, Refused> {
    caller.needs(VIEW)?;
    let object = find(&admin.catalog, &id).await?;
    Ok(seen.respond(&object, "", Json(shown(&object))))
}

async fn switch(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    options: WriteOptions,
    expected: IfMatch,
    body: JsonBody<DenyStatus>,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let body = body.read()?;
    let object = changeable(&admin.catalog, &id).await?;
    let expected = expected.expect(&object)?;
    let mut record = object.record;
    record.declared.insert("enabled".to_owned(), json!(body.condition_status));
    let changes = vec![Change::Update { record, expected }];
    let written =
        admin.catalog.write(&caller, "switch-deny-policy", options, changes, Vec::new()).await;
    Ok(answer(&written.map_err(of_write)?, StatusCode::OK))
}

async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    options: WriteOptions,
    expected: IfMatch,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let object = changeable(&admin.catalog, &id).await?;
    let expected = expected.expect(&object)?;
    let changes =
        vec![Change::Delete { kind: Kind::DenyCondition, id: object.record.id, expected }];
    let written =
        admin.catalog.write(&caller, "delete-deny-policy", options, changes, Vec::new()).await;
    Ok(written.map_err(of_write)?.respond(StatusCode::OK))
}

/// Reads a body as a table of `[[deny_conditions]]`.
fn declared(body: &DenyBody) -> Result<Map<String, Value>, Refused> {
    let kind = TYPES.iter().find(|(theirs, _)| *theirs == body.condition_type);
    let (_, kind) = kind.ok_or_else(|| {
        Refused::bad_request("`conditionType` is API, APPLICATION, USER, IP or IPRANGE")
    })?;
    let (value, inverted) = match (*kind, &body.condition_value) {
        ("ip" | "ip_range", value) => addresses(kind, value)?,
        (_, Value::String(text)) => {
            let text = text.trim();
            texts::name("conditionValue", text, MOST_VALUE)?;
            (text.to_owned(), false)
        }
        _ => {
            let description = format!("`conditionValue` of {} is a text", body.condition_type);
            return Err(Refused::bad_request(description));
        }
    };
    let mut declared = Map::new();
    declared.insert("type".to_owned(), json!(kind));
    declared.insert("value".to_owned(), json!(value));
    declared.insert("enabled".to_owned(), json!(body.condition_status.unwrap_or(true)));
    if inverted {
        declared.insert("invert".to_owned(), json!(true));
    }
    Ok(declared)
}

fn addresses(kind: &str, value: &Value) -> Result<(String, bool), Refused> {
    let refused = |description: &str| Refused::bad_request(description);
    let own: DeniedAddresses = serde_json::from_value(value.clone()).map_err(|error| {
        Refused::bad_request(format!("`conditionValue`: {}", told(&error.to_string())))
    })?;
    let address = |part: &str, text: &Option<String>| {
        let text = text.as_deref().map(str::trim).unwrap_or_default();
        text.parse::<std::net::IpAddr>()
            .map_err(|_| refused(&format!("`conditionValue.{part}` is no address")))
    };
    match kind {
        "ip" => Ok((address("fixedIp", &own.fixed_ip)?.to_string(), own.invert)),
        _ => {
            let first = address("startingIp", &own.starting_ip)?;
            let last = address("endingIp", &own.ending_ip)?;
            if AddressRange::new(first, last).is_none() {
                return Err(refused("`conditionValue.endingIp` is before `startingIp`"));
            }
            Ok((format!("{first}-{last}"), own.invert))
        }
    }
}

/// Refuses a condition on an API or an application that is not there.
async fn must_exist(catalog: &Catalog, declared: &Map<String, Value>) -> Result<(), Refused> {
    let text = |key: &str| declared.get(key).and_then(Value::as_str).unwrap_or_default();
    let value = text("value");
    let found = match text("type") {
        "api" => {
            let path = value.trim_end_matches('/');
            catalog.all(Kind::Api).await?.iter().any(|api| serves(&api.record, path))
        }
        "application" => match value.split_once(':') {
            Some((owner, name)) => {
                let found = catalog.named(Kind::Application, name).await?;
                found.is_some_and(|own| {
                    own.record.owner.as_deref().or(own.record.text("owner")) == Some(owner)
                })
            }
            None => {
                let description = "`conditionValue` of APPLICATION is owner:name";
                return Err(Refused::bad_request(description));
            }
        },
        _ => true,
    };
    if found {
        return Ok(());
    }
    Err(Refused::not_found("`conditionValue` names an API or an application that is not there"))
}

/// Tells whether an API is served at context and version.
fn serves(api: &Record, path: &str) -> bool {
    let (Some(context), Some(version)) = (api.text("context"), api.text("version")) else {
        return false;
    };
    let context = context.trim_end_matches('/');
    let served = if context.contains("{version}") {
        context.replace("{version}", version)
    } else {
        format!("{context}/{version}")
    };
    served == path
}

/// Returns the text that makes a condition unique.
fn place(declared: &Map<String, Value>) -> String {
    Record::condition_place(declared)
}

fn shown(object: &Object) -> Value {
    let record = &object.record;
    let kind = record.text("type").unwrap_or_default();
    let value = record.text("value").unwrap_or_default();
    let inverted = record.declared.get("invert") == Some(&json!(true));
    let (mut theirs, mut shown) = (kind, json!(value));
    if let Some((own, _)) = TYPES.iter().find(|(_, own)| *own == kind) {
        theirs = own;
    }
    match (kind, value.split_once('-')) {
        ("ip" | "ip_range", Some((first, last))) => {
            theirs = "IPRANGE";
            let (first, last) = (first.trim(), last.trim());
            shown = json!({ "startingIp": first, "endingIp": last, "invert": inverted });
        }
        ("ip" | "ip_range", None) => {
            // a network of a file is shown as it is written
            theirs = "IP";
            shown = json!({ "fixedIp": value, "invert": inverted });
        }
        _ => {}
    }
    json!({
        "conditionId": record.id,
        "conditionType": theirs,
        "conditionValue": shown,
        "conditionStatus": record.declared.get("enabled") != Some(&json!(false)),
    })
}

/// Reads `conditionType:API & conditionValue:/a/1.0.0`.
fn wanted(query: &str) -> Result<Vec<(String, String)>, Refused> {
    let parts = query.split('&').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once(':') {
            Some((key @ ("conditionType" | "conditionValue"), text)) => {
                Ok((key.to_owned(), text.trim().to_owned()))
            }
            _ => Err(Refused::bad_request("`query` knows conditionType: and conditionValue:")),
        })
        .collect()
}

fn fits(shown: &Value, key: &str, text: &str) -> bool {
    match shown.get(key) {
        Some(Value::String(own)) => own == text,
        Some(Value::Object(members)) => {
            members.values().any(|own| own.as_str().is_some_and(|own| own == text))
        }
        _ => false,
    }
}

async fn find(catalog: &Catalog, id: &str) -> Result<Object, Refused> {
    let found = match object_id(id) {
        Some(id) => catalog.get(Kind::DenyCondition, id).await?,
        None => None,
    };
    found.ok_or_else(|| Refused::not_found("there is no deny policy with this id"))
}

async fn changeable(catalog: &Catalog, id: &str) -> Result<Object, Refused> {
    let object = find(catalog, id).await?;
    object.changeable("deny condition")?;
    Ok(object)
}

fn answer(committed: &Committed, status: StatusCode) -> Response {
    let object = committed.records.first().cloned().map(Object::kept);
    let body = object.as_ref().map_or(Value::Null, shown);
    committed.respond_tagged((status, Json(body)))
}

fn of_write(refused: WriteRefused) -> Refused {
    match refused {
        WriteRefused::Store(StoreError::Taken { .. }) => taken(),
        other => other.into(),
    }
}

fn taken() -> Refused {
    Refused::conflict("the same deny policy is there already")
}
