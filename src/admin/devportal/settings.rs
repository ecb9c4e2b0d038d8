//! `/settings`: the first call of portals.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::admin::caller::Caller;
use crate::admin::devportal::key_managers::{grant_types, is_enabled};
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::Kind;

/// The scopes of this API.
const SCOPES: [&str; 6] = [
    "apim:app_import_export",
    "apim:app_manage",
    "apim:store_settings",
    "apim:sub_manage",
    "apim:subscribe",
    "openid",
];

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
) -> Result<Response, Refused> {
    caller.needs(&["store_settings", "subscribe"])?;
    let key_managers = admin.catalog.all(Kind::KeyManager).await?;
    let mut grants: Vec<_> =
        key_managers.iter().filter(|own| is_enabled(own)).flat_map(grant_types).collect();
    grants.sort_unstable();
    grants.dedup();
    let settings = json!({
        "grantTypes": grants,
        "scopes": SCOPES,
        "applicationSharingEnabled": true,
        "IsLegacyApiKeysEnabled": false,
        "mapExistingAuthApps": admin.catalog.declared().portal.key_provisioning,
        "apiGatewayEndpoint": "",
        "monetizationEnabled": false,
        "recommendationEnabled": false,
        "IsUnlimitedTierPaid": false,
        "identityProvider": { "external": false },
        "IsAnonymousModeEnabled": false,
        "IsPasswordChangeEnabled": false,
        "IsJWTEnabledForLoginTokens": false,
        "orgAccessControlEnabled": false,
        "passwordPolicyMinLength": -1,
        "passwordPolicyMaxLength": -1,
        "apiChatEnabled": false,
        "aiAuthTokenProvided": false,
        "marketplaceAssistantEnabled": false,
        "orgWideAppUpdateEnabled": false,
        "devportalMode": "API_ONLY",
    });
    Ok(Json(settings).into_response())
}

/// Returns no attribute, because none is prescribed: applications have the attributes that their
/// owners write.
pub(super) async fn application_attributes(caller: Caller) -> Result<Response, Refused> {
    caller.needs(&["subscribe", "app_manage"])?;
    Ok(Json(json!({ "count": 0, "list": [] })).into_response())
}
