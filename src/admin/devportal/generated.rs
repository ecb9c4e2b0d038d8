//! Calls that need a client of the authorization server's own, which no key manager makes yet.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::devportal::key_managers::{choose, find, switch};
use crate::admin::devportal::map_keys::unsupported;
use crate::admin::devportal::oauth_keys::{OwnKey, only_key, own_key};
use crate::admin::devportal::visible::application;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;

const SEES: &[&str] = &["subscribe", "app_manage"];

pub(super) async fn generate_keys(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    application(&admin, &caller, &id).await?;
    let named = body.get("keyManager").and_then(Value::as_str);
    let key_manager = choose(&admin, &caller, named).await?;
    if switch(&key_manager, "oauth_app_creation", false) {
        return Err(Refused::not_implemented("the registration of clients"));
    }
    Err(unsupported("the key manager makes no clients (oauth_app_creation is off)"))
}

pub(super) async fn generate_token(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((id, mapping)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    Err(no_token(&admin, &own).await?)
}

pub(super) async fn generate_token_only(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((id, key_type)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = only_key(&admin, &caller, &id, &key_type).await?;
    Err(no_token(&admin, &own).await?)
}

async fn no_token(admin: &Admin, own: &OwnKey) -> Result<Refused, Refused> {
    let name = own.key.record.target.as_deref().unwrap_or_default();
    let key_manager = find(admin, name).await?;
    if key_manager.is_some_and(|own| switch(&own, "token_generation", false)) {
        return Ok(Refused::not_implemented("the generation of tokens"));
    }
    Ok(unsupported("the key manager makes no tokens here (token_generation is off)"))
}

/// Everything about the secrets of a client that was made elsewhere.
pub(super) async fn secrets(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((id, mapping)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    own_key(&admin, &caller, &id, &mapping).await?;
    Err(out_of_band())
}

pub(super) async fn secrets_only(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((id, key_type)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    only_key(&admin, &caller, &id, &key_type).await?;
    Err(out_of_band())
}

fn out_of_band() -> Refused {
    let message = "Operation not implemented for custom Key Manager for Out-of-Band type";
    let description = "the client was made at the authorization server, which keeps its secrets";
    Refused::new(StatusCode::NOT_IMPLEMENTED, 901_413, message, description)
}
