//! `POST /key-managers/discover`: proposes a key manager from a discovery document.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::admin::addresses::check_address;
use crate::admin::administration::key_managers::MANAGE;
use crate::admin::administration::key_managers::body::{
    CertificatesBody, ENDPOINTS, KeyManagerBody, NamedEndpoint,
};
use crate::admin::administration::key_managers::connectors::Connector;
use crate::admin::administration::key_managers::limits::{MOST_ENTRIES, MOST_TEXT};
use crate::admin::caller::Caller;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::fetch::{FetchFailure, get};

/// The members of a discovery document (OpenID Connect Discovery, RFC 8414) that a key manager has
/// a field for.
#[derive(Debug, Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    introspection_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    grant_types_supported: Option<Vec<String>>,
    jwks_uri: Option<String>,
}

/// The form.
struct DiscoverForm {
    url: String,
    kind: String,
}

pub(super) async fn discover(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Refused> {
    caller.needs(MANAGE)?;
    let form = read(form).await?;
    let declared = admin.catalog.declared();
    let networks = declared.calls.networks.clone().unwrap_or_default();
    check_address("url", &form.url, &networks).await?;
    let document = match get(&declared.calls, &form.url).await {
        Ok(document) => document,
        Err(
            failure @ (FetchFailure::Address { .. }
            | FetchFailure::Insecure { .. }
            | FetchFailure::Network { .. }),
        ) => return Err(Refused::bad_request(format!("`url`: {failure}"))),
        Err(failure) => return Ok(invalid(&failure.to_string())),
    };
    let Ok(document) = serde_json::from_slice::<DiscoveryDocument>(&document.content) else {
        return Ok(invalid("the answer is not a discovery document with an `issuer`"));
    };
    let value = proposal(document, form).shown();
    Ok(Json(json!({ "valid": true, "value": value })).into_response())
}

fn invalid(reason: &str) -> Response {
    Json(json!({ "valid": false, "reason": reason })).into_response()
}

async fn read(form: Result<Multipart, MultipartRejection>) -> Result<DiscoverForm, Refused> {
    let mut form = form.map_err(|_| {
        Refused::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body of this call is multipart/form-data",
        )
    })?;
    let unreadable = || Refused::bad_request("the form cannot be read");
    let (mut url, mut kind) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|_| unreadable())? {
        let name = field.name().unwrap_or_default().to_owned();
        let text = field.text().await.map_err(|_| unreadable())?;
        let place = match name.as_str() {
            "url" => &mut url,
            "type" => &mut kind,
            _ => {
                let shown: String = name.chars().take(50).collect();
                return Err(Refused::bad_request(format!("the form has no field `{shown}`")));
            }
        };
        if place.replace(text.trim().to_owned()).is_some() {
            return Err(Refused::bad_request(format!("the form has `{name}` twice")));
        }
    }
    let url = url.ok_or_else(|| Refused::bad_request("`url` is missing"))?;
    let kind = kind.filter(|kind| !kind.is_empty()).unwrap_or("CustomKeyManager".to_owned());
    if Connector::named(&kind).is_none() {
        let message = "Key Manager Type not configured";
        let description = "`type`: there is no such type; `GET /settings` lists all";
        return Err(Refused::new(StatusCode::BAD_REQUEST, 901_400, message, description));
    }
    Ok(DiscoverForm { url, kind })
}

/// Returns the proposal as WSO2 makes it, with every switch on.
fn proposal(document: DiscoveryDocument, form: DiscoverForm) -> KeyManagerBody {
    let short = |text: Option<String>| text.filter(|own| !own.is_empty() && own.len() <= MOST_TEXT);
    let mut body = KeyManagerBody {
        kind: Some(form.kind),
        well_known_endpoint: Some(form.url),
        issuer: short(Some(document.issuer)),
        introspection_endpoint: short(document.introspection_endpoint),
        client_registration_endpoint: short(document.registration_endpoint),
        authorize_endpoint: short(document.authorization_endpoint),
        token_endpoint: short(document.token_endpoint),
        revoke_endpoint: short(document.revocation_endpoint),
        user_info_endpoint: short(document.userinfo_endpoint),
        certificates: short(document.jwks_uri).map(|address| CertificatesBody {
            kind: Some("JWKS".to_owned()),
            value: Some(address),
        }),
        enabled: Some(true),
        enable_token_generation: Some(true),
        enable_map_oauth_consumer_apps: Some(true),
        enable_oauth_app_creation: Some(true),
        enable_self_validation_jwt: Some(true),
        ..KeyManagerBody::default()
    };
    body.available_grant_types = document.grant_types_supported.map(|all| {
        let short = all.into_iter().filter(|own| own.len() <= MOST_TEXT);
        short.take(MOST_ENTRIES).collect()
    });
    let named = ENDPOINTS.iter().filter_map(|endpoint| {
        let value = body.flat(endpoint).clone()?;
        Some(NamedEndpoint { name: endpoint.rest.to_owned(), value })
    });
    body.endpoints = Some(named.collect());
    body
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::admin::administration::key_managers::read::draft;

    #[test]
    fn a_proposal_is_a_key_manager_but_for_its_name() {
        let document = json!({
            "issuer": "https://is.example/oauth2/token",
            "jwks_uri": "https://is.example/oauth2/jwks",
            "token_endpoint": "https://is.example/oauth2/token",
            "registration_endpoint": "https://is.example/dcr",
            "grant_types_supported": ["client_credentials"],
            "userinfo_endpoint": "",
            "claims_supported": ["sub"],
        });
        let form = DiscoverForm {
            url: "https://is.example/.well-known/openid-configuration".to_owned(),
            kind: "WSO2-IS-7".to_owned(),
        };
        let mut body = proposal(serde_json::from_value(document).unwrap(), form);
        let shown = body.shown();
        let text = |name: &str| shown.get(name).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(text("issuer"), "https://is.example/oauth2/token");
        assert_eq!(text("clientRegistrationEndpoint"), "https://is.example/dcr");
        assert_eq!(shown.get("userInfoEndpoint"), None);
        assert_eq!(shown["certificates"]["type"], "JWKS");
        assert_eq!(shown["enableMapOAuthConsumerApps"], true);
        assert_eq!(shown["endpoints"].as_array().map(Vec::len), Some(2));
        body.name = Some("is".to_owned());
        assert_eq!(draft(body).unwrap().name, "is");
    }
}
