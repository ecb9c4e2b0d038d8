//! Reads the lists of WSO2's form: grant types, claims, permissions, and which tokens are its own.

use serde_json::{Map, Value, json};

use crate::admin::administration::key_managers::body::{
    KeyManagerBody, PermissionsBody, TokenValidationBody,
};
use crate::admin::administration::key_managers::limits::{MOST_NAME, MOST_TEXT, bounded, trimmed};
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::model::token_handling::Pattern;

pub(super) fn lists(
    body: &KeyManagerBody,
    declared: &mut Map<String, Value>,
    extra: &mut Map<String, Value>,
) -> Result<(), Refused> {
    let grants = body.available_grant_types.clone().unwrap_or_default();
    bounded("availableGrantTypes", &grants)?;
    for grant in &grants {
        texts::name("availableGrantTypes", grant, MOST_TEXT)?;
    }
    if !grants.is_empty() {
        declared.insert("grant_types".to_owned(), json!(grants));
    }
    let claims = body.claim_mapping.as_deref().unwrap_or_default();
    bounded("claimMapping", claims)?;
    let mut mapping = Map::new();
    for claim in claims {
        let part = |field: &str, text: &Option<String>| {
            let field = format!("claimMapping.{field}");
            let found = trimmed(&field, text.as_deref(), MOST_TEXT)?;
            found.ok_or_else(|| Refused::bad_request(format!("`{field}` is missing")))
        };
        let remote = part("remoteClaim", &claim.remote_claim)?;
        let local = part("localClaim", &claim.local_claim)?;
        if mapping.insert(remote, json!(local)).is_some() {
            return Err(Refused::bad_request("`claimMapping` has one `remoteClaim` twice"));
        }
    }
    if !mapping.is_empty() {
        declared.insert("claim_mapping".to_owned(), Value::Object(mapping));
    }
    if let Some(permissions) = &body.permissions {
        declared.insert("permissions".to_owned(), permissions_of(permissions)?);
    }
    let entries = body.token_validation.as_deref().unwrap_or_default();
    bounded("tokenValidation", entries)?;
    let rules: Result<Vec<_>, _> = entries.iter().map(rule).collect();
    let rules: Vec<_> = rules?.into_iter().flatten().collect();
    if !rules.is_empty() {
        declared.insert("token_handling".to_owned(), json!(rules));
    }
    if !entries.is_empty() {
        extra.insert("tokenValidation".to_owned(), json!(entries));
    }
    Ok(())
}

fn permissions_of(body: &PermissionsBody) -> Result<Value, Refused> {
    let roles = body.roles.clone().unwrap_or_default();
    bounded("permissions.roles", &roles)?;
    for role in &roles {
        texts::name("permissions.roles", role, MOST_NAME)?;
    }
    let kind = match body.permission_type.as_deref() {
        // the portal sends roles with PUBLIC too, and they mean nothing
        None | Some("" | "PUBLIC") => return Ok(json!({ "type": "public" })),
        Some("ALLOW") => "allow",
        Some("DENY") => "deny",
        Some(_) => {
            let description = "`permissions.permissionType` is PUBLIC, ALLOW or DENY";
            return Err(Refused::bad_request(description));
        }
    };
    if roles.is_empty() {
        return Err(Refused::bad_request("`permissions.roles` is empty"));
    }
    Ok(json!({ "type": kind, "roles": roles }))
}

/// Refuses a text that is no complete regular expression: the gateway's additions must stay around
/// it.
fn expression(text: &str) -> Result<(), Refused> {
    Pattern::new(text).map(drop).map_err(|_| {
        Refused::bad_request("`tokenValidation.value` has a text that is no regular expression")
    })
}

/// Reads an entry of `tokenValidation`; `None` if it is off.
fn rule(entry: &TokenValidationBody) -> Result<Option<Value>, Refused> {
    let refused = |description: &str| Err(Refused::bad_request(description));
    if entry.enable == Some(false) {
        return Ok(None);
    }
    let value = entry.value.as_ref().unwrap_or(&Value::Null);
    match (entry.kind.as_deref(), value) {
        // a line of the portal's form that was left empty
        (None | Some(""), Value::Null) => Ok(None),
        (Some("REFERENCE"), Value::String(pattern)) if !pattern.is_empty() => {
            texts::prose("tokenValidation.value", pattern, MOST_TEXT)?;
            expression(pattern)?;
            // WSO2 wants the whole token to fit
            Ok(Some(json!({ "type": "reference", "pattern": format!("^(?:{pattern})$") })))
        }
        (Some("REFERENCE"), _) => {
            refused("`tokenValidation.value` of REFERENCE is a regular expression")
        }
        (Some("JWT"), Value::Object(value)) => {
            let (Some(Value::Object(claims)), 1) = (value.get("body"), value.len()) else {
                return refused(
                    "`tokenValidation.value` of JWT is {\"body\": {claim: expression}}",
                );
            };
            if claims.is_empty() || !claims.values().all(Value::is_string) {
                return refused("`tokenValidation.value.body` names claims with expressions");
            }
            claims.values().filter_map(Value::as_str).try_for_each(expression)?;
            Ok(Some(json!({ "type": "jwt", "claims": claims })))
        }
        (Some("JWT"), _) => {
            refused("`tokenValidation.value` of JWT is {\"body\": {claim: expression}}")
        }
        (Some("CUSTOM"), _) => {
            refused("`tokenValidation.type`: CUSTOM fits no token; use REFERENCE or JWT")
        }
        _ => refused("`tokenValidation.type` is REFERENCE, JWT or CUSTOM"),
    }
}
