//! The lists that a publisher chooses from: policies, key managers, settings.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::admin::caller::Caller;
use crate::admin::devportal::key_managers::is_enabled;
use crate::admin::devportal::policies::{PolicyKind, ShownPolicy, choices, offers};
use crate::admin::paging::PageQuery;
use crate::admin::publisher::one_api::find;
use crate::admin::publisher::revision::ENVIRONMENT;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::Kind;

const OF_POLICIES: &[&str] = &["api_view", "mcp_server_view", "tier_view", "tier_manage"];

const OF_KEY_MANAGERS: &[&str] = &[
    "api_view",
    "api_create",
    "api_manage",
    "mcp_server_view",
    "mcp_server_create",
    "mcp_server_manage",
];

/// The scopes of WSO2's publisher API that operations here ask for.
const SCOPES: [&str; 15] = [
    "api_create",
    "api_definition_view",
    "api_delete",
    "api_import_export",
    "api_list_view",
    "api_manage",
    "api_publish",
    "api_view",
    "publisher_settings",
    "shared_scope_manage",
    "subscription_block",
    "subscription_manage",
    "subscription_view",
    "tier_manage",
    "tier_view",
];

/// Returns the policies of a level by WSO2's name; its definition has the third one.
async fn policies(
    admin: &Admin,
    caller: &Caller,
    level: &str,
) -> Result<Vec<ShownPolicy>, Refused> {
    let kind = match level {
        "api" => PolicyKind::Advanced,
        "subscription" | "subcription" => PolicyKind::Subscription,
        _ => {
            return Err(Refused::not_found("the levels of policies are api and subscription"));
        }
    };
    Ok(choices(admin, caller, kind).await?)
}

pub(super) async fn throttling_policies(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Path(level): Path<String>,
    Parameters(page): Parameters<PageQuery>,
) -> Result<Response, Refused> {
    caller.needs(OF_POLICIES)?;
    let range = page.range()?;
    let (page, total) = range.of(policies(&admin, &caller, &level).await?);
    Ok(range.respond(&uri.0, page, total))
}

pub(super) async fn throttling_policy(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((level, name)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(OF_POLICIES)?;
    let policies = policies(&admin, &caller, &level).await?;
    match policies.into_iter().find(|policy| policy.name == name) {
        Some(policy) => Ok(Json(policy).into_response()),
        None => Err(Refused::not_found("there is no policy of this name and level")),
    }
}

pub(super) async fn subscription_policies(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(&["api_view", "api_manage"])?;
    let api = find(&admin, &id).await?;
    Ok(Json(offers(&admin, &caller, &api).await?).into_response())
}

pub(super) async fn key_managers(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
) -> Result<Response, Refused> {
    caller.needs(OF_KEY_MANAGERS)?;
    let all = admin.catalog.all(Kind::KeyManager).await?;
    let list: Vec<Value> = all
        .iter()
        .map(|own| {
            let record = &own.record;
            json!({
                "id": record.id,
                "name": record.name,
                "displayName": record.text("display_name").unwrap_or(&record.name),
                "type": record.text("type").unwrap_or("CustomKeyManager"),
                "description": record.text("description").unwrap_or_default(),
                "enabled": is_enabled(own),
                "additionalProperties": [],
            })
        })
        .collect();
    Ok(Json(json!({ "count": list.len(), "list": list })).into_response())
}

pub(super) async fn settings(caller: Caller) -> Result<Response, Refused> {
    caller.needs(&["api_view", "publisher_settings"])?;
    let scopes: Vec<_> = SCOPES.iter().map(|scope| format!("apim:{scope}")).collect();
    let environment = json!({
        "id": ENVIRONMENT,
        "name": ENVIRONMENT,
        "displayName": ENVIRONMENT,
        "type": "hybrid",
        "gatewayType": "Regular",
        "provider": "wso2",
        "serverUrl": "",
        "showInApiConsole": true,
        "vhosts": [{ "host": "localhost" }],
        "endpointURIs": [],
        "additionalProperties": [],
    });
    let settings = json!({
        "devportalUrl": "",
        "environment": [environment],
        "gatewayTypes": ["Regular"],
        "scopes": scopes,
        "monetizationAttributes": [],
        "securityAuditProperties": {},
        "externalStoresEnabled": false,
        "docVisibilityEnabled": false,
        "portalConfigurationOnlyModeEnabled": false,
        "retryCallWithNewOAuthTokenEnabled": false,
        "crossTenantSubscriptionEnabled": false,
        "defaultAdvancePolicy": "Unlimited",
        "defaultSubscriptionPolicy": "Unlimited",
        "authorizationHeader": "Authorization",
        "IsJWTEnabledForLoginTokens": false,
        "orgAccessControlEnabled": false,
        "allowSubscriptionValidationDisabling": true,
        "designAssistantEnabled": false,
        "aiAuthTokenProvided": false,
        "isGatewayNotificationEnabled": false,
        "isMCPSupportEnabled": false,
        "customProperties": [],
    });
    Ok(Json(settings).into_response())
}

/// Parts of WSO2's API that have no function here, each with its path.
pub(super) const MISSING: [(&str, &str); 15] = [
    ("/endpoint-certificates", "keeping certificates of backends by the API"),
    ("/apis/copy-api", "copying an API"),
    ("/apis/export", "exporting an API as a project"),
    ("/apis/import", "importing an API project"),
    ("/apis/import-graphql-schema", "GraphQL"),
    ("/apis/validate-graphql-schema", "GraphQL"),
    ("/apis/import-wsdl", "SOAP"),
    ("/apis/validate-wsdl", "SOAP"),
    ("/apis/import-asyncapi", "AsyncAPI"),
    ("/apis/validate-asyncapi", "AsyncAPI"),
    ("/apis/validate-endpoint", "calling a backend for a test"),
    ("/api-products", "API products"),
    ("/operation-policies", "policies of messages"),
    ("/tenants", "tenants"),
    ("/api-categories", "categories that somebody prescribes"),
];
