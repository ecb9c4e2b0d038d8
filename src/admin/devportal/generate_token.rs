//! `generate-token`: gets a token for an application, as its client.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::devportal::clients::{
    ServerOperation, SharedAdmin, refusal, server, shown_token,
};
use crate::admin::devportal::created::secret;
use crate::admin::devportal::key_managers::{find, switch};
use crate::admin::devportal::map_keys::unsupported;
use crate::admin::devportal::own_key::{OwnKey, only_key, own_key, unknown_key};
use crate::admin::devportal::regulatory::is_regulatory;
use crate::admin::devportal::requested_client::{USUAL_LIFETIME, scopes};
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::model::secret::Secret;

const SEES: &[&str] = &["subscribe", "app_manage"];

/// The longest secret of a client.
const MOST_SECRET: usize = 4096;

/// WSO2's `ApplicationTokenGenerateRequest`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TokenGenerationBody {
    consumer_secret: Option<String>,
    validity_period: Option<i64>,
    scopes: Option<Vec<String>>,
    revoke_token: Option<String>,
    grant_type: Option<String>,
    additional_properties: Option<Map<String, Value>>,
}

pub(super) async fn generate_token(
    State(admin): State<SharedAdmin>,
    caller: Caller,
    Path((id, mapping)): Path<(String, String)>,
    body: JsonBody<TokenGenerationBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let body = body.read()?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    token(&admin, &caller, &own, body).await
}

pub(super) async fn generate_token_only(
    State(admin): State<SharedAdmin>,
    caller: Caller,
    Path((id, key_type)): Path<(String, String)>,
    body: JsonBody<TokenGenerationBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let body = body.read()?;
    let own = only_key(&admin, &caller, &id, &key_type).await?;
    token(&admin, &caller, &own, body).await
}

async fn token(
    admin: &Admin,
    caller: &Caller,
    own: &OwnKey,
    body: TokenGenerationBody,
) -> Result<Response, Refused> {
    let record = &own.key.record;
    let name = record.target.as_deref().unwrap_or_default();
    let key_manager = find(admin, name).await?.ok_or_else(unknown_key)?;
    if !switch(&key_manager, "token_generation", false) {
        let description = "the key manager makes no tokens here (token_generation is off)";
        return Err(unsupported(description));
    }
    if is_regulatory(record) {
        let description = "a regulatory application gets its tokens with its certificate, at the \
                           server";
        return Err(unsupported(description));
    }
    body.check()?;
    let scopes = scopes(body.scopes.unwrap_or_default())?;
    let secret = match body.consumer_secret.filter(|own| !own.is_empty()) {
        Some(given) => Some(Secret::new(given)),
        None => secret(admin, record)?,
    };
    let Some(secret) = secret else {
        return Err(Refused::bad_request("`consumerSecret` is missing, and none is kept"));
    };
    let client = record.text("consumer_key").unwrap_or_default();
    let asked = server(admin, &key_manager)?.token(client, &secret, &scopes).await;
    let token = asked.map_err(|failure| refusal(caller, name, ServerOperation::Token, &failure))?;
    Ok(Json(shown_token(&token)).into_response())
}

impl TokenGenerationBody {
    /// Refuses members that have no function here.
    fn check(&self) -> Result<(), Refused> {
        let refused = |description: &str| Err(Refused::bad_request(description));
        if let Some(secret) = &self.consumer_secret {
            texts::prose("consumerSecret", secret, MOST_SECRET)?;
        }
        if !matches!(self.grant_type.as_deref(), None | Some("" | "CLIENT_CREDENTIALS")) {
            return refused("`grantType`: only CLIENT_CREDENTIALS is possible");
        }
        let period = self.validity_period.map(|own| own.to_string());
        if period.is_some_and(|own| !matches!(own.as_str(), "0" | "-1" | USUAL_LIFETIME)) {
            return refused("`validityPeriod`: the server decides how long a token lives");
        }
        if self.revoke_token.as_ref().is_some_and(|own| !own.is_empty()) {
            return refused("`revokeToken`: revoke a token at its server, or at the gateway");
        }
        if self.additional_properties.as_ref().is_some_and(|own| !own.is_empty()) {
            return refused("`additionalProperties` have no function for a token");
        }
        Ok(())
    }
}
