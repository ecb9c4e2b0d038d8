//! The properties that the financial services key manager requires: whether an application is
//! regulatory, and its certificate.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::admin::devportal::property_faults::{invalid_property, missing};
use crate::admin::refused::Refused;
use crate::model::clock::UnixSeconds;
use crate::registration::{PropertyFault, check_certificate};
use crate::store::Record;

/// The type of key managers that have regulatory applications.
const KEY_MANAGER_TYPE: &str = "fsKeyManager";

const REGULATORY: &str = "regulatory";

const CERTIFICATE: &str = "sp_certificate";

/// The longest certificate.
const MOST_CERTIFICATE: usize = 16 * 1024;

/// The answers of an application.
#[derive(Debug, Default)]
pub(super) struct RegulatoryAnswers {
    pub(super) regulatory: bool,
    pub(super) certificate: Option<String>,
    /// The properties in the form in which they are shown.
    pub(super) kept: Map<String, Value>,
}

/// Tells whether an application's key is a regulatory one.
pub(super) fn is_regulatory(key: &Record) -> bool {
    let properties = key.extra.get("additionalProperties");
    properties.and_then(|own| own.get(REGULATORY)) == Some(&json!("true"))
}

/// Takes the answers out of the properties, if the key manager asks for them.
pub(super) fn answers(
    key_manager: &Record,
    properties: &mut Map<String, Value>,
    grant_types: &[String],
    now: UnixSeconds,
) -> Result<RegulatoryAnswers, Refused> {
    if key_manager.text("type") != Some(KEY_MANAGER_TYPE) {
        return Ok(RegulatoryAnswers::default());
    }
    let fault = |name: &str, why| invalid_property(&PropertyFault { name: name.to_owned(), why });
    let regulatory = match properties.remove(REGULATORY) {
        Some(Value::Bool(flag)) => flag,
        Some(Value::String(text)) if text == "true" => true,
        Some(Value::String(text)) if text == "false" => false,
        None | Some(Value::Null) => return Err(missing("additionalProperties.regulatory")),
        Some(_) => return Err(fault(REGULATORY, "is true or false")),
    };
    let certificate = match properties.remove(CERTIFICATE) {
        Some(Value::String(pem)) if pem.trim().is_empty() => None,
        Some(Value::String(pem)) if pem.len() <= MOST_CERTIFICATE => Some(pem.trim().to_owned()),
        None | Some(Value::Null) => None,
        Some(_) => return Err(fault(CERTIFICATE, "is a certificate in PEM")),
    };
    if let Some(pem) = &certificate {
        check_certificate(pem, now).map_err(|why| fault(CERTIFICATE, why))?;
    }
    if regulatory {
        if certificate.is_none() {
            return Err(missing("additionalProperties.sp_certificate"));
        }
        if !grant_types.iter().any(|own| own == "authorization_code") {
            let message = "Required application properties are missing";
            let description = "regulatory applications need the grant authorization_code";
            return Err(Refused::new(StatusCode::BAD_REQUEST, 901_407, message, description));
        }
    }
    let mut kept = Map::new();
    kept.insert(REGULATORY.to_owned(), json!(regulatory.to_string()));
    if let Some(pem) = &certificate {
        kept.insert(CERTIFICATE.to_owned(), json!(pem));
    }
    Ok(RegulatoryAnswers { regulatory, certificate, kept })
}
