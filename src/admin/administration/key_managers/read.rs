//! Reads WSO2's form of a key manager into the form of `gateway.toml`.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::admin::administration::key_managers::body::{
    CertificatesBody, ENDPOINTS, KeyManagerBody,
};
use crate::admin::administration::key_managers::connectors::Connector;
use crate::admin::administration::key_managers::limits::{
    MOST_DESCRIPTION, MOST_NAME, MOST_TEXT, missing_settings, trimmed,
};
use crate::admin::administration::key_managers::pem_value;
use crate::admin::administration::key_managers::properties::{
    ConnectorSecret, ConnectorSecretValue, properties_of,
};
use crate::admin::administration::key_managers::rules::lists;
use crate::admin::refused::Refused;
use crate::admin::texts;

/// The endpoint names that a switched-on function needs.
const OF_FUNCTIONS: [(&str, &str); 3] = [
    ("token_generation", "token_endpoint"),
    ("oauth_app_creation", "client_registration_endpoint"),
    ("introspection", "introspection_endpoint"),
];

/// A key manager in its stored form, without its secrets.
#[derive(Debug)]
pub(super) struct KeyManagerDraft {
    pub(super) name: String,
    pub(super) declared: Map<String, Value>,
    pub(super) extra: Map<String, Value>,
    pub(super) secrets: Vec<(ConnectorSecret, ConnectorSecretValue)>,
    /// Addresses that the gateway calls, with the fields that hold them.
    pub(super) called: Vec<(String, String)>,
}

/// Reads a body. Faults carry WSO2's codes.
pub(super) fn draft(mut body: KeyManagerBody) -> Result<KeyManagerDraft, Refused> {
    let name = trimmed("name", body.name.as_deref(), MOST_NAME)?.ok_or_else(empty_name)?;
    texts::name("name", &name, MOST_NAME)?;
    let kind = trimmed("type", body.kind.as_deref(), MOST_NAME)?.unwrap_or_default();
    let connector = Connector::named(&kind).ok_or_else(|| unknown_type(&kind))?;
    refuse_functions_that_are_missing(&body)?;
    let mut declared = Map::new();
    let mut called = Vec::new();
    declared.insert("name".to_owned(), json!(name));
    declared.insert("type".to_owned(), json!(kind));
    texts_of(&body, &mut declared)?;
    if let Some(url) = &declared.get("well_known_url").and_then(Value::as_str) {
        called.push(("wellKnownEndpoint".to_owned(), (*url).to_owned()));
    }
    endpoints(&mut body, &mut declared, &mut called)?;
    let mut extra = Map::new();
    if let Some(own) = &body.certificates {
        certificates(own, &mut declared, &mut extra, &mut called)?;
    }
    flags(&body, &mut declared);
    lists(&body, &mut declared, &mut extra)?;
    let properties = body.additional_properties.take().unwrap_or_default();
    let secrets = properties_of(connector, properties, &mut declared, &mut extra, &mut called)?;
    kept(&body, &mut extra)?;
    require(&declared)?;
    Ok(KeyManagerDraft { name, declared, extra, secrets, called })
}

fn empty_name() -> Refused {
    let message = "Key Manager name cannot be empty";
    Refused::new(StatusCode::BAD_REQUEST, 901_404, message, "`name` is missing")
}

fn unknown_type(kind: &str) -> Refused {
    let description = if kind.is_empty() {
        "`type` is missing".to_owned()
    } else {
        let shown: String = kind.chars().take(45).collect();
        format!("`type`: there is no type {shown:?}; `GET /settings` lists all")
    };
    Refused::new(StatusCode::BAD_REQUEST, 901_400, "Key Manager Type not configured", description)
}

/// Refuses functions of WSO2's definition that the gateway does not have.
fn refuse_functions_that_are_missing(body: &KeyManagerBody) -> Result<(), Refused> {
    let refused = |description: &str| Err(Refused::bad_request(description));
    match body.token_type.as_deref() {
        None | Some("" | "DIRECT") => {}
        Some("EXCHANGED" | "BOTH") => {
            return refused("`tokenType`: tokens are not exchanged here; only DIRECT is possible");
        }
        Some(_) => return refused("`tokenType` is DIRECT, EXCHANGED or BOTH"),
    }
    if body.enable_token_encryption == Some(true) {
        return refused("`enableTokenEncryption`: tokens are not kept here, so none is encrypted");
    }
    let everybody = |own: &Vec<String>| own.iter().all(|name| name == "ALL");
    if !body.allowed_organizations.as_ref().is_none_or(everybody) {
        return refused("`allowedOrganizations`: only [\"ALL\"] is possible");
    }
    Ok(())
}

fn texts_of(body: &KeyManagerBody, declared: &mut Map<String, Value>) -> Result<(), Refused> {
    let fields = [
        ("displayName", "display_name", &body.display_name, MOST_NAME),
        ("description", "description", &body.description, MOST_DESCRIPTION),
        ("issuer", "issuer", &body.issuer, MOST_TEXT),
        ("wellKnownEndpoint", "well_known_url", &body.well_known_endpoint, MOST_TEXT),
        ("consumerKeyClaim", "consumer_key_claim", &body.consumer_key_claim, MOST_TEXT),
        ("scopesClaim", "scopes_claim", &body.scopes_claim, MOST_TEXT),
    ];
    for (field, key, text, most) in fields {
        if let Some(text) = trimmed(field, text.as_deref(), most)? {
            declared.insert(key.to_owned(), json!(text));
        }
    }
    Ok(())
}

/// Reads `endpoints` and the deprecated fields, which carry the same.
fn endpoints(
    body: &mut KeyManagerBody,
    declared: &mut Map<String, Value>,
    called: &mut Vec<(String, String)>,
) -> Result<(), Refused> {
    let named = body.endpoints.take().unwrap_or_default();
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for entry in &named {
        let Some(name) = ENDPOINTS.iter().find(|own| own.rest == entry.name) else {
            let shown: String = entry.name.chars().take(MOST_NAME).collect();
            let description = format!("`endpoints`: there is no endpoint {shown:?}");
            return Err(Refused::bad_request(description));
        };
        let field = format!("endpoints.{}", name.rest);
        let Some(text) = trimmed(&field, Some(&entry.value), MOST_TEXT)? else { continue };
        if found.insert(name.rest, text).is_some() {
            return Err(Refused::bad_request(format!("`{field}` stands there twice")));
        }
    }
    for name in &ENDPOINTS {
        let flat = trimmed(name.flat, body.flat(name).as_deref(), MOST_TEXT)?;
        let named = found.remove(name.rest);
        if let (Some(flat), Some(named)) = (&flat, &named)
            && flat != named
        {
            let (flat, rest) = (name.flat, name.rest);
            let description = format!("`{flat}` is another address than `endpoints.{rest}`");
            return Err(Refused::bad_request(description));
        }
        let Some(address) = named.or(flat) else { continue };
        if name.called {
            called.push((name.flat.to_owned(), address.clone()));
        }
        declared.insert(name.declared.to_owned(), json!(address));
    }
    Ok(())
}

fn certificates(
    body: &CertificatesBody,
    declared: &mut Map<String, Value>,
    extra: &mut Map<String, Value>,
    called: &mut Vec<(String, String)>,
) -> Result<(), Refused> {
    let value = body.value.as_deref().map(str::trim).unwrap_or_default();
    let table = match (body.kind.as_deref(), value) {
        (None | Some("" | "JWKS" | "PEM"), "") => return Ok(()),
        (Some("JWKS"), address) => {
            texts::prose("certificates.value", address, MOST_TEXT)?;
            called.push(("certificates.value".to_owned(), address.to_owned()));
            json!({ "jwks": address })
        }
        (Some("PEM"), value) => {
            extra.insert("pemValue".to_owned(), json!(value));
            json!({ "pem_text": pem_value::decoded("certificates.value", value)? })
        }
        _ => return Err(Refused::bad_request("`certificates.type` is JWKS or PEM")),
    };
    declared.insert("certificates".to_owned(), table);
    Ok(())
}

fn flags(body: &KeyManagerBody, declared: &mut Map<String, Value>) {
    // WSO2's defaults, except for out-of-band provisioning: a body without it comes from a client
    // that knows no such switch
    let flags = [
        ("enabled", body.enabled.unwrap_or(true)),
        ("token_generation", body.enable_token_generation.unwrap_or(false)),
        ("oauth_app_creation", body.enable_oauth_app_creation.unwrap_or(false)),
        ("out_of_band_provisioning", body.enable_map_oauth_consumer_apps.unwrap_or(true)),
    ];
    for (key, flag) in flags {
        declared.insert(key.to_owned(), json!(flag));
    }
    if body.enable_self_validation_jwt == Some(false) {
        declared.insert("token_validation".to_owned(), json!("introspection"));
    }
}

/// Returns the members that are shown as they were sent.
fn kept(body: &KeyManagerBody, extra: &mut Map<String, Value>) -> Result<(), Refused> {
    // it is for exchanged tokens alone
    if let Some(alias) = trimmed("alias", body.alias.as_deref(), MOST_TEXT)? {
        extra.insert("alias".to_owned(), json!(alias));
    }
    // secrets are shown once in any case
    if let Some(flag) = body.enable_token_hashing {
        extra.insert("enableTokenHashing".to_owned(), json!(flag));
    }
    if let Some(organizations) = &body.allowed_organizations {
        extra.insert("allowedOrganizations".to_owned(), json!(organizations));
    }
    Ok(())
}

/// Refuses a key manager without the settings that judge its tokens, and a switched-on function
/// without its endpoint.
fn require(declared: &Map<String, Value>) -> Result<(), Refused> {
    let on = |function: &str| match function {
        "introspection" => declared.get("token_validation") == Some(&json!("introspection")),
        flag => declared.get(flag) == Some(&json!(true)),
    };
    let discovered = declared.contains_key("well_known_url");
    let lacks = |key: &str| !discovered && !declared.contains_key(key);
    let issuer = lacks("issuer").then_some("issuer");
    let keys = (lacks("certificates") && !on("introspection")).then_some("certificates");
    let of_functions = OF_FUNCTIONS
        .into_iter()
        .filter(|(function, endpoint)| {
            on(function) && !discovered && !declared.contains_key(*endpoint)
        })
        .map(|(_, endpoint)| endpoint);
    let missing: Vec<_> = issuer.into_iter().chain(keys).chain(of_functions).collect();
    if missing.is_empty() { Ok(()) } else { Err(missing_settings(&missing)) }
}
