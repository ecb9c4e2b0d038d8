//! `/key-managers`, and the choice of the key manager of a call.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::caller::Caller;
use crate::admin::devportal::client_form::{ClientField, client_form};
use crate::admin::devportal::roles::permits;
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Kind, StoreError};

/// A key manager as developers see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "WSO2's form has a field for each switch")]
struct ShownKeyManager {
    id: Uuid,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    display_name: String,
    description: String,
    enabled: bool,
    available_grant_types: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoke_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_info_endpoint: Option<String>,
    enable_token_generation: bool,
    enable_token_encryption: bool,
    enable_token_hashing: bool,
    #[serde(rename = "enableOAuthAppCreation")]
    enable_oauth_app_creation: bool,
    #[serde(rename = "enableMapOAuthConsumerApps")]
    enable_map_oauth_consumer_apps: bool,
    application_configuration: Vec<&'static ClientField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    additional_properties: Value,
    token_type: String,
}

/// A switch of a key manager, with its default in the contract.
pub(in crate::admin) fn switch(key_manager: &Object, key: &str, default: bool) -> bool {
    key_manager.record.declared.get(key).and_then(Value::as_bool).unwrap_or(default)
}

/// Tells whether existing keys can be mapped to applications.
pub(super) fn takes_existing_keys(key_manager: &Object) -> bool {
    switch(key_manager, "out_of_band_provisioning", true)
}

pub(in crate::admin) fn is_enabled(key_manager: &Object) -> bool {
    switch(key_manager, "enabled", true)
}

/// A key manager that only exchanges tokens of others has no clients of its own.
pub(super) fn only_exchanges(key_manager: &Object) -> bool {
    key_manager.record.extra.get("tokenType").and_then(Value::as_str) == Some("EXCHANGED")
}

pub(in crate::admin) fn grant_types(key_manager: &Object) -> Vec<String> {
    let listed = key_manager.record.declared.get("grant_types").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl ShownKeyManager {
    fn of(key_manager: &Object) -> Self {
        let record = &key_manager.record;
        let text = |key: &str| record.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
        let extra = |key: &str| record.extra.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = text("type").unwrap_or_else(|| "CustomKeyManager".to_owned());
        Self {
            id: record.id,
            name: record.name.clone(),
            display_name: text("display_name").unwrap_or_else(|| record.name.clone()),
            description: text("description").unwrap_or_default(),
            enabled: is_enabled(key_manager),
            available_grant_types: grant_types(key_manager),
            token_endpoint: text("display_token_endpoint").or_else(|| text("token_endpoint")),
            revoke_endpoint: text("display_revoke_endpoint").or_else(|| text("revoke_endpoint")),
            user_info_endpoint: text("userinfo_endpoint"),
            enable_token_generation: switch(key_manager, "token_generation", false),
            enable_token_encryption: false,
            enable_token_hashing: false,
            enable_oauth_app_creation: switch(key_manager, "oauth_app_creation", false),
            enable_map_oauth_consumer_apps: takes_existing_keys(key_manager),
            application_configuration: client_form(&kind),
            kind,
            alias: extra("alias"),
            additional_properties: json!({}),
            token_type: extra("tokenType").unwrap_or_else(|| "DIRECT".to_owned()),
        }
    }
}

/// Tells whether a caller may have keys of this key manager.
pub(in crate::admin) fn permitted(caller: &Caller, key_manager: &Object) -> bool {
    permits(key_manager.record.declared.get("permissions"), &caller.roles)
}

/// Finds a key manager by its name or its id.
pub(in crate::admin) async fn find(
    admin: &Admin,
    text: &str,
) -> Result<Option<Object>, StoreError> {
    if let Some(found) = admin.catalog.named(Kind::KeyManager, text).await? {
        return Ok(Some(found));
    }
    match crate::admin::object_id::object_id(text) {
        Some(id) => admin.catalog.get(Kind::KeyManager, id).await,
        None => Ok(None),
    }
}

/// Chooses the key manager of a call: the named one, or else the only one that the caller may use.
/// Unknown and switched-off ones are refused.
pub(in crate::admin) async fn choose(
    admin: &Admin,
    caller: &Caller,
    named: Option<&str>,
) -> Result<Object, Refused> {
    match named.filter(|named| !named.is_empty()) {
        Some(named) => match find(admin, named).await?.filter(is_enabled) {
            Some(found) if permitted(caller, &found) => Ok(found),
            Some(_) => Err(Refused::new(
                StatusCode::FORBIDDEN,
                902_013,
                "Unauthorized Access to Key Manager",
                "your roles may not use this key manager",
            )),
            None => Err(unregistered(&usable(admin, caller).await?)),
        },
        None => {
            let mut usable = usable(admin, caller).await?;
            match usable.len() {
                1 => usable.pop().ok_or_else(|| unregistered(&[])),
                _ => Err(unregistered(&usable)),
            }
        }
    }
}

async fn usable(admin: &Admin, caller: &Caller) -> Result<Vec<Object>, StoreError> {
    let mut all = admin.catalog.all(Kind::KeyManager).await?;
    all.retain(|own| is_enabled(own) && permitted(caller, own));
    Ok(all)
}

fn unregistered(usable: &[Object]) -> Refused {
    let names: Vec<_> = usable.iter().map(|own| own.record.name.as_str()).collect();
    let description = if names.is_empty() {
        "there is no key manager that you may use".to_owned()
    } else {
        format!("`keyManager` is one of these: {}", names.join(", "))
    };
    Refused::new(StatusCode::BAD_REQUEST, 901_403, "Key Manager not Registered", description)
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
) -> Result<Response, Refused> {
    caller.needs(&["subscribe", "app_manage"])?;
    let usable = usable(&admin, &caller).await?;
    let mut list: Vec<_> = usable.iter().map(ShownKeyManager::of).collect();
    if !admin.catalog.declared().portal.key_provisioning {
        for shown in &mut list {
            shown.enable_map_oauth_consumer_apps = false;
        }
    }
    Ok(Json(json!({ "count": list.len(), "list": list })).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Record;

    #[test]
    fn a_key_manager_is_shown_without_what_only_operators_know() {
        let mut record = Record::new(Kind::KeyManager, Uuid::nil(), "is7");
        let declared = json!({
            "name": "is7", "type": "WSO2-IS-7", "token_endpoint": "https://is/token",
            "display_token_endpoint": "https://shown/token", "grant_types": ["client_credentials"],
            "credentials": { "username": "u", "password": "p" }, "out_of_band_provisioning": false,
        });
        record.declared = declared.as_object().unwrap().clone();
        let shown = serde_json::to_value(ShownKeyManager::of(&Object::kept(record))).unwrap();
        assert_eq!(shown["tokenEndpoint"], "https://shown/token");
        assert_eq!(shown["displayName"], "is7");
        assert_eq!(shown["enableMapOAuthConsumerApps"], false);
        assert_eq!(shown["availableGrantTypes"], json!(["client_credentials"]));
        assert!(!shown.to_string().contains("credentials\":{"), "{shown}");
        let plain = Object::kept(Record::new(Kind::KeyManager, Uuid::nil(), "sso"));
        let shown = serde_json::to_value(ShownKeyManager::of(&plain)).unwrap();
        assert_eq!(shown["type"], "CustomKeyManager", "as the administrators' list shows it");
    }
}
