//! Reads the members of a discovery document that a key manager needs (OpenID Connect Discovery
//! 1.0, RFC 8414).
//!
//! The document comes from outside, so a member is only used in the form that gateway.toml accepts.

use serde_json::{Map, Value};

use crate::cli::import::address::is_address;
use crate::model::names::Issuer;

/// The facts in a server's document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) jwks_uri: String,
    /// Keys of gateway.toml with their addresses, in the order of the manual.
    pub(super) endpoints: Vec<(&'static str, String)>,
    /// Members whose value is not an address.
    pub(super) unusable: Vec<&'static str>,
    pub(super) grant_types: Vec<String>,
    /// True if the document has members of late versions of WSO2 Identity Server.
    pub(super) has_recent_members: bool,
}

/// The reason why a document does not describe a key manager.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MetadataError {
    #[error("the answer is not a JSON object; is this the address of a discovery document?")]
    NotAnObject,
    #[error("the document has no valid `issuer`; is this the address of a discovery document?")]
    Issuer,
    #[error(
        "the document has no `jwks_uri`, so there are no keys to check this server's tokens with; \
         if you know the server's certificate, write the key manager by hand with `certificates = \
         {{ pem = \"file\" }}`"
    )]
    NoKeys,
}

impl Metadata {
    pub(super) fn read(content: &[u8]) -> Result<Self, MetadataError> {
        let document: Map<String, Value> =
            serde_json::from_slice(content).map_err(|_| MetadataError::NotAnObject)?;
        let text = |member: &str| {
            document.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
        };
        let issuer = text("issuer")
            .filter(|issuer| Issuer::try_from(*issuer).is_ok())
            .ok_or(MetadataError::Issuer)?;
        let jwks_uri = text("jwks_uri").ok_or(MetadataError::NoKeys)?;
        let (mut endpoints, mut unusable) = (Vec::new(), Vec::new());
        for (member, key) in ENDPOINTS {
            match text(member) {
                Some(address) if is_address(address) => endpoints.push((key, address.to_owned())),
                Some(_) => unusable.push(member),
                None => {}
            }
        }
        let grants = document
            .get("grant_types_supported")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let grant_types = grants
            .iter()
            .filter_map(Value::as_str)
            .filter(|grant| is_grant_type(grant))
            .take(MOST_GRANT_TYPES);
        Ok(Self {
            issuer: issuer.to_owned(),
            jwks_uri: jwks_uri.to_owned(),
            endpoints,
            unusable,
            grant_types: grant_types.map(str::to_owned).collect(),
            has_recent_members: RECENT_MEMBERS.iter().any(|member| document.contains_key(*member)),
        })
    }

    /// Returns the address for this key of gateway.toml.
    pub(super) fn endpoint(&self, key: &str) -> Option<&str> {
        self.endpoints.iter().find(|(name, _)| *name == key).map(|(_, address)| address.as_str())
    }
}

/// Returns true for a grant's name or URN (RFC 6749 appendix A.10).
fn is_grant_type(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte))
}

/// Members of the document, with their names in gateway.toml.
const ENDPOINTS: [(&str, &str); 6] = [
    ("token_endpoint", "token_endpoint"),
    ("revocation_endpoint", "revoke_endpoint"),
    ("introspection_endpoint", "introspection_endpoint"),
    ("userinfo_endpoint", "userinfo_endpoint"),
    ("authorization_endpoint", "authorize_endpoint"),
    ("registration_endpoint", "client_registration_endpoint"),
];

const RECENT_MEMBERS: [&str; 3] = [
    "pushed_authorization_request_endpoint",
    "mtls_endpoint_aliases",
    "dpop_signing_alg_values_supported",
];

/// The most grant types: servers name a dozen.
const MOST_GRANT_TYPES: usize = 32;
