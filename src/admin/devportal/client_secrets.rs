//! The secrets of a client, which its authorization server keeps.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::devportal::clients::{ServerOperation, SharedAdmin, refusal, server};
use crate::admin::devportal::created::{is_created, keep_secret};
use crate::admin::devportal::key_managers::find;
use crate::admin::devportal::own_key::{OwnKey, only_key, own_key, unknown_key};
use crate::admin::devportal::visible::changeable;
use crate::admin::nulls::without_nulls;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::clock::UnixSeconds;
use crate::model::secret::Secret;
use crate::registration::{ClientSecret, RegistrationFailure, RegistrationServer};
use crate::store::Change;

const SEES: &[&str] = &["subscribe", "app_manage"];

/// The properties of a new secret, which Identity Server judges. WSO2's portal sends a lifetime in
/// seconds, and Identity Server takes a time.
const SECRET_PROPERTIES: [&str; 3] = ["description", EXPIRES_AT, EXPIRES_IN];
const EXPIRES_AT: &str = "expiresAt";
const EXPIRES_IN: &str = "expiresIn";

/// The longest id of a secret.
const MOST_SECRET_ID: usize = 255;

/// WSO2's `ConsumerSecretCreationRequest`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretCreationBody {
    additional_properties: Option<Map<String, Value>>,
}

/// WSO2's `ConsumerSecretDeletionRequest`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretDeletionBody {
    secret_id: Option<String>,
    #[serde(rename = "additionalProperties", default)]
    _additional_properties: serde::de::IgnoredAny,
}

pub(super) async fn regenerate(
    State(admin): State<SharedAdmin>,
    caller: Caller,
    options: WriteOptions,
    Path((id, mapping)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    regenerate_of(admin, caller, options, own).await
}

pub(super) async fn regenerate_only(
    State(admin): State<SharedAdmin>,
    caller: Caller,
    options: WriteOptions,
    Path((id, key_type)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = only_key(&admin, &caller, &id, &key_type).await?;
    regenerate_of(admin, caller, options, own).await
}

async fn regenerate_of(
    admin: SharedAdmin,
    caller: Caller,
    options: WriteOptions,
    own: OwnKey,
) -> Result<Response, Refused> {
    let server = server_of(&admin, &own).await?;
    if !server.regenerates_secrets() {
        return Err(not_here("servers of this type make no new secret for a client"));
    }
    if options.dry_run {
        return Err(Refused::bad_request("`dryRun`: there is no preview of a secret"));
    }
    let work = renew(SharedAdmin::clone(&admin), caller, options, own, server);
    admin.errands.finish(Box::pin(work)).await
}

async fn renew(
    admin: SharedAdmin,
    caller: Caller,
    options: WriteOptions,
    own: OwnKey,
    server: RegistrationServer,
) -> Result<Response, Refused> {
    let client = own.key.record.text("consumer_key").unwrap_or_default().to_owned();
    let renewed = server.regenerate_secret(&client).await;
    let secret = renewed.map_err(|failure| told(&caller, &own, &failure))?;
    let mut record = own.key.record;
    keep_secret(&admin, &mut record, &secret)?;
    // the audit log has an entry in any case
    let changes = vec![Change::Update { record, expected: None }];
    let written =
        admin.catalog.write(&caller, "regenerate-secret", options, changes, Vec::new()).await;
    if let Err(refused) = &written {
        // the old secret is gone, and the new one is shown here and nowhere else
        tracing::error!(
            target: "portcullis::admin", client, ?refused,
            "a client has a new secret, and the store does not know it",
        );
    }
    let shown = json!({ "consumerKey": client, "consumerSecret": secret.reveal() });
    Ok(match written {
        Ok(committed) => committed.respond(Json(shown)),
        Err(_) => Json(shown).into_response(),
    })
}

pub(super) async fn add(
    State(admin): State<SharedAdmin>,
    caller: Caller,
    Path((id, mapping)): Path<(String, String)>,
    body: JsonBody<SecretCreationBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let body = body.read()?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    let server = several(&admin, &own).await?;
    let properties = body.additional_properties.unwrap_or_default();
    let properties = secret_properties(properties, admin.access.now())?;
    let client = own.key.record.text("consumer_key").unwrap_or_default();
    let added = server.add_secret(client, &Value::Object(properties)).await;
    let added = added.map_err(|failure| told(&caller, &own, &failure))?;
    Ok((StatusCode::CREATED, Json(shown(&added))).into_response())
}

/// Checks the properties of a new secret, and makes a time of a lifetime.
fn secret_properties(
    mut properties: Map<String, Value>,
    now: UnixSeconds,
) -> Result<Map<String, Value>, Refused> {
    let invalid = |description: String| {
        let message = "Invalid additional properties";
        Refused::new(StatusCode::BAD_REQUEST, 901_410, message, description)
    };
    let unknown = properties.keys().find(|own| !SECRET_PROPERTIES.contains(&own.as_str()));
    if unknown.is_some() || properties.values().any(|own| own.is_object() || own.is_array()) {
        let names = SECRET_PROPERTIES.join(", ");
        return Err(invalid(format!("`additionalProperties` of a secret are {names}")));
    }
    let Some(lifetime) = properties.remove(EXPIRES_IN).filter(|own| !own.is_null()) else {
        return Ok(properties);
    };
    let seconds = match &lifetime {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let end = seconds.filter(|own| *own > 0).and_then(|own| now.0.checked_add(own));
    let Some(end) = end.filter(|end| i64::try_from(*end).is_ok()) else {
        return Err(invalid(format!("`{EXPIRES_IN}` is a number of seconds")));
    };
    if properties.insert(EXPIRES_AT.to_owned(), json!(end)).is_some() {
        return Err(invalid(format!("`{EXPIRES_IN}` or `{EXPIRES_AT}`, and not both")));
    }
    Ok(properties)
}

pub(super) async fn list(
    State(admin): State<SharedAdmin>,
    caller: Caller,
    Path((id, mapping)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    let server = several(&admin, &own).await?;
    let client = own.key.record.text("consumer_key").unwrap_or_default();
    let all = server.secrets(client).await.map_err(|failure| told(&caller, &own, &failure))?;
    let list: Vec<_> = all.iter().map(shown).collect();
    Ok(Json(json!({ "count": list.len(), "list": list })).into_response())
}

pub(super) async fn revoke(
    State(admin): State<SharedAdmin>,
    caller: Caller,
    Path((id, mapping)): Path<(String, String)>,
    body: JsonBody<SecretDeletionBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let body = body.read()?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    let server = several(&admin, &own).await?;
    let id = body.secret_id.filter(|own| !own.is_empty() && own.len() <= MOST_SECRET_ID);
    let id = id.ok_or_else(|| Refused::bad_request("`secretId` is the id of a secret"))?;
    let client = own.key.record.text("consumer_key").unwrap_or_default();
    let revoked = server.revoke_secret(client, &id).await;
    revoked.map_err(|failure| match failure {
        RegistrationFailure::Refused { status: 404, .. } => {
            Refused::not_found("the client has no secret with this id")
        }
        failure => told(&caller, &own, &failure),
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn shown(secret: &ClientSecret) -> Value {
    let value = secret.value.as_ref().map(Secret::reveal);
    let mut properties = Map::new();
    if let Some(expiry) = &secret.expires_at {
        properties.insert(EXPIRES_AT.to_owned(), expiry.clone());
    }
    if let Some(description) = &secret.description {
        properties.insert("description".to_owned(), json!(description));
    }
    without_nulls(json!({
        "secretId": secret.id,
        "secretValue": value,
        "additionalProperties": properties,
    }))
}

fn told(caller: &Caller, own: &OwnKey, failure: &RegistrationFailure) -> Refused {
    let key_manager = own.key.record.target.as_deref().unwrap_or_default();
    refusal(caller, key_manager, ServerOperation::Update, failure)
}

async fn several(admin: &Admin, own: &OwnKey) -> Result<RegistrationServer, Refused> {
    let server = server_of(admin, own).await?;
    if server.keeps_several_secrets() {
        Ok(server)
    } else {
        Err(not_here("servers of this type keep one secret of a client"))
    }
}

/// Finds the server of a client that the gateway made.
async fn server_of(admin: &Admin, own: &OwnKey) -> Result<RegistrationServer, Refused> {
    if !is_created(&own.key.record) {
        let description =
            "the client was made at the authorization server, which keeps its secrets";
        return Err(not_here(description));
    }
    changeable(&own.application)?;
    let name = own.key.record.target.as_deref().unwrap_or_default();
    let key_manager = find(admin, name).await?.ok_or_else(unknown_key)?;
    server(admin, &key_manager)
}

fn not_here(description: &str) -> Refused {
    let message = "Operation not implemented for custom Key Manager for Out-of-Band type";
    Refused::new(StatusCode::NOT_IMPLEMENTED, 901_413, message, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: Value) -> Result<Value, u32> {
        let Value::Object(properties) = properties else { panic!() };
        let read = secret_properties(properties, UnixSeconds(1_700_000_000));
        read.map(Value::Object).map_err(|refused| refused.code)
    }

    #[test]
    fn a_lifetime_becomes_a_time() {
        let read_of = |lifetime: Value| read(json!({ "description": "d", "expiresIn": lifetime }));
        let wanted = json!({ "description": "d", "expiresAt": 1_700_086_400 });
        assert_eq!(read_of(json!(86_400)).as_ref(), Ok(&wanted));
        assert_eq!(read_of(json!("86400")).as_ref(), Ok(&wanted));
        assert_eq!(read_of(Value::Null), Ok(json!({ "description": "d" })));
        for bad in [json!(0), json!(-1), json!("soon"), json!(u64::MAX), json!(1.5), json!([1])] {
            assert_eq!(read_of(bad.clone()), Err(901_410), "{bad}");
        }
        assert_eq!(read(json!({ "expiresAt": 1, "expiresIn": 1 })), Err(901_410));
        assert_eq!(read(json!({ "other": 1 })), Err(901_410));
    }
}
