//! Finds the claims of a token that hold the client and the scopes. The type's own claim is used if
//! it is present, or else the first of the usual ones.

use serde_json::{Map, Value};

use crate::jwt::kind::CLIENTS;
use crate::model::key_manager::ClaimNames;

/// The claim that holds the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientEvidence<'t> {
    pub(super) claim: String,
    pub(super) value: &'t str,
    /// True if the type's default finds it.
    pub(super) is_default: bool,
    /// Usual claims that name another client.
    pub(super) contradicted_by: Vec<&'static str>,
}

/// The claim that holds the scopes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scopes<'t> {
    pub(super) claim: String,
    pub(super) form: ClaimForm,
    pub(super) names: Vec<&'t str>,
    pub(super) is_default: bool,
    /// Other claims with scopes or roles.
    pub(super) beside: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClaimForm {
    Text,
    Array,
}

/// Returns the client, if a usual claim names one.
pub(super) fn client<'t>(
    claims: &'t Map<String, Value>,
    defaults: &ClaimNames,
) -> Option<ClientEvidence<'t>> {
    let usual = || CLIENTS.into_iter().filter_map(|claim| Some((claim, one(claims.get(claim)?)?)));
    let fallback = if claims.contains_key("consumerKey") { "consumerKey" } else { "azp" };
    let default = defaults.consumer_key.as_deref().unwrap_or(fallback);
    // an audience is the client only if no other claim names the client
    let is_believed = |value: &str| {
        default != "aud" || usual().next().is_none() || usual().any(|(_, other)| other == value)
    };
    let by_default = claims.get(default).and_then(one).filter(|value| is_believed(value));
    let (claim, value) = by_default.map(|value| (default, value)).or_else(|| usual().next())?;
    let contradicted_by =
        usual().filter(|(_, other)| *other != value).map(|(claim, _)| claim).collect();
    Some(ClientEvidence {
        claim: claim.to_owned(),
        value,
        is_default: by_default.is_some(),
        contradicted_by,
    })
}

/// Returns the scopes, if a usual claim holds some.
pub(super) fn scopes<'t>(
    claims: &'t Map<String, Value>,
    defaults: &ClaimNames,
) -> Option<Scopes<'t>> {
    let default = defaults.scopes.as_deref().unwrap_or("scope");
    let found = |claim: &str| claims.get(claim).and_then(names);
    let by_default = found(default);
    let is_default = by_default.is_some();
    let (claim, (form, names)) = by_default
        .map(|found| (default, found))
        .or_else(|| SCOPE_CLAIMS.into_iter().find_map(|claim| Some((claim, found(claim)?))))?;
    let beside = SCOPE_CLAIMS
        .into_iter()
        .filter(|other| *other != claim && found(other).is_some())
        .collect();
    Some(Scopes { claim: claim.to_owned(), form, names, is_default, beside })
}

/// Returns a string, or the only string of an array: the forms that the gateway accepts for a
/// client.
fn one(value: &Value) -> Option<&str> {
    let text = match value {
        Value::String(text) => text,
        Value::Array(elements) => match elements.as_slice() {
            [only] => only.as_str()?,
            _ => return None,
        },
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// Returns a string split at spaces, or an array of strings: the forms that the gateway accepts for
/// scopes.
fn names(value: &Value) -> Option<(ClaimForm, Vec<&str>)> {
    match value {
        Value::String(text) => {
            Some((ClaimForm::Text, text.split(' ').filter(|name| !name.is_empty()).collect()))
        }
        Value::Array(elements) => Some((
            ClaimForm::Array,
            elements.iter().filter_map(Value::as_str).filter(|name| !name.is_empty()).collect(),
        )),
        _ => None,
    }
}

/// Claims with scopes come first. Roles and permissions replace them at servers that give an
/// application no scopes.
const SCOPE_CLAIMS: [&str; 4] = ["scope", "scp", "roles", "permissions"];
