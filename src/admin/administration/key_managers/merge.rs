//! Replaces a kept key manager by a new form of it, without losing keys that the form does not
//! have.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::admin::administration::key_managers::body::ENDPOINTS;
use crate::admin::administration::key_managers::properties::{
    ConnectorSecret, ConnectorSecretValue,
};
use crate::admin::administration::key_managers::read::KeyManagerDraft;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::secret::Secret;
use crate::store::{Record, SecretPlace};

/// The keys of the declared form that WSO2's form has. All others (such as `audiences`) came with
/// an import, and stay.
const SAID: [&str; 18] = [
    "name",
    "type",
    "display_name",
    "description",
    "issuer",
    "well_known_url",
    "consumer_key_claim",
    "scopes_claim",
    "certificates",
    "enabled",
    "token_generation",
    "oauth_app_creation",
    "out_of_band_provisioning",
    "token_validation",
    "grant_types",
    "claim_mapping",
    "permissions",
    "token_handling",
];

/// Puts a draft into a record. Returns the secrets that are still to be kept.
pub(super) fn replace(
    record: &mut Record,
    draft: KeyManagerDraft,
) -> Result<Vec<(ConnectorSecret, String)>, Refused> {
    let old = std::mem::replace(&mut record.declared, draft.declared);
    let old_extra = std::mem::replace(&mut record.extra, draft.extra);
    if let Some(global) = old_extra.get("global") {
        record.extra.insert("global".to_owned(), global.clone());
    }
    for (key, value) in &old {
        let said = SAID.contains(&key.as_str())
            || key == "credentials"
            || ENDPOINTS.iter().any(|endpoint| endpoint.declared == key);
        if !said {
            record.declared.insert(key.clone(), value.clone());
        }
    }
    let is_both = old.get("token_validation") == Some(&json!("both"));
    if is_both && !record.declared.contains_key("token_validation") {
        record.declared.insert("token_validation".to_owned(), json!("both"));
    }
    if let (Some(Value::Object(new)), Some(Value::Object(old))) =
        (record.declared.get_mut("credentials"), old.get("credentials"))
        && new.get("username") == old.get("username")
    {
        for (key, value) in old.iter().filter(|(key, _)| *key != "password") {
            new.entry(key).or_insert_with(|| value.clone());
        }
    }
    let mut new_secrets = Vec::new();
    for (place, value) in draft.secrets {
        match value {
            ConnectorSecretValue::New(text) => new_secrets.push((place, text)),
            ConnectorSecretValue::Kept => {
                let kept = sealed(&old, &old_extra, &place).ok_or_else(|| masked(&place))?;
                put(record, &place, kept);
            }
        }
    }
    Ok(new_secrets)
}

fn masked(place: &ConnectorSecret) -> Refused {
    let name = match place {
        ConnectorSecret::Password => "the password",
        ConnectorSecret::Property(name) => name.as_str(),
    };
    let description = format!("`additionalProperties`: {name} is a mask, and no secret is kept");
    Refused::new(StatusCode::BAD_REQUEST, 901_410, "Invalid additional properties", description)
}

fn sealed(
    declared: &Map<String, Value>,
    extra: &Map<String, Value>,
    place: &ConnectorSecret,
) -> Option<Value> {
    match place {
        ConnectorSecret::Password => declared.get("credentials")?.get("password").cloned(),
        ConnectorSecret::Property(name) => extra.get("additionalProperties")?.get(name).cloned(),
    }
}

/// Encrypts new secrets and puts them into their places.
pub(super) fn seal(
    admin: &Admin,
    record: &mut Record,
    secrets: &[(ConnectorSecret, String)],
) -> Result<(), Refused> {
    for (secret, text) in secrets {
        let field = match secret {
            ConnectorSecret::Password => "password",
            ConnectorSecret::Property(name) => name.as_str(),
        };
        let place = SecretPlace { kind: record.kind, id: record.id, field };
        let sealed = admin.keys.seal(place, &Secret::new(text.clone()))?;
        put(record, secret, sealed);
    }
    Ok(())
}

/// Puts a sealed secret into its place.
pub(super) fn put(record: &mut Record, place: &ConnectorSecret, sealed: Value) {
    let (document, key, name) = match place {
        ConnectorSecret::Password => (&mut record.declared, "credentials", "password"),
        ConnectorSecret::Property(name) => {
            (&mut record.extra, "additionalProperties", name.as_str())
        }
    };
    let table = document.entry(key).or_insert_with(|| json!({}));
    if let Value::Object(members) = table {
        members.insert(name.to_owned(), sealed);
    }
}
