//! Shows a key manager in WSO2's form, whether a file declares it or the store keeps it.

use serde_json::{Map, Value, json};

use crate::admin::administration::key_managers::body::{
    CertificatesBody, ClaimMappingBody, ENDPOINTS, KeyManagerBody, KeyManagerInfo, NamedEndpoint,
    PermissionsBody, TokenValidationBody,
};
use crate::admin::administration::key_managers::connectors::{Connector, FieldRole, MASK};
use crate::admin::administration::key_managers::pem_value;
use crate::admin::object::Object;
use crate::store::Record;

/// The type of tokens of every key manager: tokens are not exchanged.
const DIRECT: &str = "DIRECT";

/// The whole form.
pub(super) fn key_manager(object: &Object) -> KeyManagerBody {
    let record = &object.record;
    let text = |key: &str| record.text(key).map(str::to_owned);
    let flag = |key: &str, default: bool| {
        record.declared.get(key).and_then(Value::as_bool).unwrap_or(default)
    };
    let extra = &record.extra;
    let mut body = KeyManagerBody {
        id: Some(record.id.to_string()),
        name: Some(record.name.clone()),
        display_name: Some(text("display_name").unwrap_or_else(|| record.name.clone())),
        kind: Some(kind(record).to_owned()),
        description: Some(text("description").unwrap_or_default()),
        well_known_endpoint: text("well_known_url"),
        certificates: certificates(record),
        issuer: text("issuer"),
        alias: extra.get("alias").and_then(Value::as_str).map(str::to_owned),
        available_grant_types: Some(list(&record.declared, "grant_types")),
        enable_token_generation: Some(flag("token_generation", false)),
        enable_token_encryption: Some(false),
        enable_token_hashing: Some(extra.get("enableTokenHashing") == Some(&json!(true))),
        enable_map_oauth_consumer_apps: Some(flag("out_of_band_provisioning", true)),
        enable_oauth_app_creation: Some(flag("oauth_app_creation", false)),
        enable_self_validation_jwt: Some(record.text("token_validation") != Some("introspection")),
        claim_mapping: Some(claim_mapping(record)),
        consumer_key_claim: text("consumer_key_claim"),
        scopes_claim: text("scopes_claim"),
        token_validation: Some(token_validation(record)),
        enabled: Some(flag("enabled", true)),
        global: Some(is_global(record)),
        additional_properties: Some(properties(object)),
        permissions: Some(permissions(record)),
        token_type: Some(DIRECT.to_owned()),
        allowed_organizations: Some(match extra.get("allowedOrganizations") {
            Some(_) => list(extra, "allowedOrganizations"),
            None => vec!["ALL".to_owned()],
        }),
        ..KeyManagerBody::default()
    };
    let mut named = Vec::new();
    for endpoint in &ENDPOINTS {
        let Some(address) = text(endpoint.declared) else { continue };
        *body.flat(endpoint) = Some(address.clone());
        named.push(NamedEndpoint { name: endpoint.rest.to_owned(), value: address });
    }
    body.endpoints = Some(named);
    body
}

/// The line of a list.
pub(super) fn info(object: &Object, is_used: bool) -> KeyManagerInfo {
    let record = &object.record;
    KeyManagerInfo {
        id: record.id.to_string(),
        name: record.name.clone(),
        kind: kind(record).to_owned(),
        description: record.text("description").unwrap_or_default().to_owned(),
        enabled: record.declared.get("enabled").and_then(Value::as_bool).unwrap_or(true),
        is_global: is_global(record),
        is_used,
        token_type: DIRECT,
    }
}

/// Tells whether it was made at `/global-key-managers`.
pub(super) fn is_global(record: &Record) -> bool {
    record.extra.get("global") == Some(&json!(true))
}

fn kind(record: &Record) -> &str {
    record.text("type").unwrap_or("CustomKeyManager")
}

fn certificates(record: &Record) -> Option<CertificatesBody> {
    let written = record.declared.get("certificates")?;
    let text = |key: &str| written.get(key).and_then(Value::as_str);
    let (kind, value) = match (text("jwks"), text("pem_text")) {
        (Some(address), _) => ("JWKS", Some(address.to_owned())),
        (None, Some(pem)) => {
            let sent = record.extra.get("pemValue").and_then(Value::as_str);
            ("PEM", Some(sent.map_or_else(|| pem_value::encoded(pem), str::to_owned)))
        }
        // names of files on the gateway's machine are not shown
        (None, None) if text("pem").is_some() => ("PEM", None),
        (None, None) => ("JWKS", None),
    };
    Some(CertificatesBody { kind: Some(kind.to_owned()), value })
}

fn claim_mapping(record: &Record) -> Vec<ClaimMappingBody> {
    let written = record.declared.get("claim_mapping").and_then(Value::as_object);
    let all = written.into_iter().flatten();
    all.map(|(remote, local)| ClaimMappingBody {
        remote_claim: Some(remote.clone()),
        local_claim: local.as_str().map(str::to_owned),
    })
    .collect()
}

/// Returns the sent entries, or WSO2's form of `token_handling`.
fn token_validation(record: &Record) -> Vec<TokenValidationBody> {
    let sent = record.extra.get("tokenValidation").cloned();
    if let Some(Ok(sent)) = sent.map(serde_json::from_value) {
        return sent;
    }
    let rules = record.declared.get("token_handling").and_then(Value::as_array);
    (1..)
        .zip(rules.into_iter().flatten())
        .map(|(id, rule)| {
            let (kind, value) = match rule.get("claims") {
                Some(claims) => ("JWT", json!({ "body": claims })),
                None => ("REFERENCE", rule.get("pattern").cloned().unwrap_or(json!(".*"))),
            };
            TokenValidationBody {
                id: Some(id),
                enable: Some(true),
                kind: Some(kind.to_owned()),
                value: Some(value),
            }
        })
        .collect()
}

fn permissions(record: &Record) -> PermissionsBody {
    let written = record.declared.get("permissions").and_then(Value::as_object);
    let kind = written.and_then(|own| own.get("type")).and_then(Value::as_str);
    PermissionsBody {
        permission_type: Some(kind.unwrap_or("public").to_ascii_uppercase()),
        roles: Some(written.map(|own| list(own, "roles")).unwrap_or_default()),
    }
}

/// The connector settings, secrets as a mask.
fn properties(object: &Object) -> Map<String, Value> {
    let record = &object.record;
    let kept = record.extra.get("additionalProperties").and_then(Value::as_object);
    let mut shown = Map::new();
    for (name, value) in kept.into_iter().flatten() {
        let value = if value.is_object() { json!(MASK) } else { value.clone() };
        shown.insert(name.clone(), value);
    }
    let credentials = record.declared.get("credentials").and_then(Value::as_object);
    let connector = Connector::named(kind(record));
    if let (Some(credentials), Some(connector)) = (credentials, connector)
        && let Some(user) = connector.with_role(FieldRole::User)
        && let Some(password) = connector.with_role(FieldRole::Password)
    {
        let name = credentials.get("username").and_then(Value::as_str).unwrap_or_default();
        shown.insert(user.to_owned(), json!(name));
        shown.insert(password.to_owned(), json!(MASK));
    }
    shown
}

fn list(members: &Map<String, Value>, key: &str) -> Vec<String> {
    let texts = members.get(key).and_then(Value::as_array).into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}
