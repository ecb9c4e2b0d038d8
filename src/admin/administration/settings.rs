//! `GET /settings`: the first call of WSO2's clients, with the form of each type of key manager.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::admin::administration::key_managers;
use crate::admin::caller::Caller;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;

/// The scopes of WSO2's admin API that operations here ask for.
const SCOPES: [&str; 16] = [
    "admin",
    "admin_application_view",
    "admin_operations",
    "admin_settings",
    "admin_tier_manage",
    "admin_tier_view",
    "app_import_export",
    "app_owner_change",
    "app_settings_change",
    "bl_manage",
    "bl_view",
    "keymanagers_manage",
    "policies_import_export",
    "scope_manage",
    "tier_manage",
    "tier_view",
];

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new().route("/settings", get(settings))
}

async fn settings(State(_): State<Arc<Admin>>, caller: Caller) -> Result<Response, Refused> {
    caller.needs(&["admin", "admin_settings"])?;
    let scopes: Vec<_> = SCOPES.iter().map(|scope| format!("apim:{scope}")).collect();
    let answer = json!({
        "scopes": scopes,
        "gatewayTypes": ["Regular"],
        "IsJWTEnabledForLoginTokens": false,
        "orgAccessControlEnabled": false,
        "keyManagerConfiguration": key_managers::forms(),
        "gatewayConfiguration": [],
        "analyticsEnabled": false,
        "transactionCounterEnable": false,
        "isGatewayNotificationEnabled": false,
    });
    Ok(Json(answer).into_response())
}
