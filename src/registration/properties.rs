//! Further properties of a client, as developers send them: the names of WSO2's forms, and metadata
//! of RFC 7591.

use serde_json::{Map, Value, json};

use crate::registration::kind::ServerKind;

/// More properties than any form has.
const MOST_PROPERTIES: usize = 50;

/// A certificate is the longest of them.
const MOST_TEXT: usize = 16 * 1024;

/// The value of WSO2's forms for "as the server has it".
const SERVERS_CHOICE: &str = "N/A";

/// A property that a client cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyFault {
    pub name: String,
    pub why: &'static str,
}

/// The properties of a client.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientProperties {
    /// The values as they came, except those that equal the default.
    pub kept: Map<String, Value>,
    /// The values in the server's form.
    pub(super) metadata: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Seconds.
    Lifetime,
    Flag,
    Text,
    Texts,
}

/// A property of WSO2's forms, and its name at servers of WSO2.
struct PortalProperty {
    name: &'static str,
    form: Form,
    identity_server_7: &'static str,
    classic: &'static str,
}

const fn portal(
    name: &'static str,
    form: Form,
    identity_server_7: &'static str,
    classic: &'static str,
) -> PortalProperty {
    PortalProperty { name, form, identity_server_7, classic }
}

static PORTAL: [PortalProperty; 7] = [
    portal(
        "application_access_token_expiry_time",
        Form::Lifetime,
        "ext_application_token_lifetime",
        "application_access_token_lifetime",
    ),
    portal(
        "user_access_token_expiry_time",
        Form::Lifetime,
        "ext_user_token_lifetime",
        "user_access_token_lifetime",
    ),
    portal(
        "refresh_token_expiry_time",
        Form::Lifetime,
        "ext_refresh_token_lifetime",
        "refresh_token_lifetime",
    ),
    portal("id_token_expiry_time", Form::Lifetime, "ext_id_token_lifetime", "id_token_lifetime"),
    portal("pkceMandatory", Form::Flag, "ext_pkce_mandatory", "pkceMandatory"),
    portal("pkceSupportPlain", Form::Flag, "ext_pkce_support_plain", "pkceSupportPlain"),
    portal("bypassClientCredentials", Form::Flag, "ext_public_client", "bypassClientCredentials"),
];

/// Metadata of RFC 7591 and its extensions, which the server reads and judges.
static METADATA: [(&str, Form); 13] = [
    ("token_endpoint_auth_method", Form::Text),
    ("client_uri", Form::Text),
    ("logo_uri", Form::Text),
    ("tos_uri", Form::Text),
    ("policy_uri", Form::Text),
    ("jwks_uri", Form::Text),
    ("software_id", Form::Text),
    ("software_version", Form::Text),
    ("contacts", Form::Texts),
    ("id_token_signed_response_alg", Form::Text),
    ("tls_client_certificate_bound_access_tokens", Form::Flag),
    ("dpop_bound_access_tokens", Form::Flag),
    ("require_pushed_authorization_requests", Form::Flag),
];

impl ClientProperties {
    /// Reads properties for a client at a server of this kind. A property without a function there
    /// is refused, unless its value is empty.
    pub fn read(kind: ServerKind, properties: &Map<String, Value>) -> Result<Self, PropertyFault> {
        let mut read = Self::default();
        if properties.len() > MOST_PROPERTIES {
            let name = "additionalProperties".to_owned();
            return Err(PropertyFault { name, why: "has too many properties" });
        }
        for (name, value) in properties {
            let fault = |why| PropertyFault { name: name.chars().take(50).collect(), why };
            let own = PORTAL.iter().find(|own| own.name == name);
            let form = own
                .map(|own| own.form)
                .or_else(|| METADATA.iter().find(|(own, _)| own == name).map(|(_, form)| *form));
            let Some(form) = form else {
                return Err(fault("is no property of a client at this key manager"));
            };
            let Some(value) = form.read(value).map_err(fault)? else { continue };
            let sent = match (own, kind) {
                (None, _) => name.as_str(),
                (Some(own), ServerKind::IdentityServer7) => own.identity_server_7,
                (Some(own), ServerKind::ClassicIdentityServer) => own.classic,
                (Some(_), ServerKind::Standard) if value == json!(false) => continue,
                (Some(_), ServerKind::Standard) => {
                    return Err(fault("has no function at servers of this type"));
                }
            };
            read.metadata.insert(sent.to_owned(), value.clone());
            read.kept.insert(name.clone(), value);
        }
        Ok(read)
    }
}

impl Form {
    /// Reads a value; `None` if it is empty. Forms of web pages send strings.
    fn read(self, value: &Value) -> Result<Option<Value>, &'static str> {
        let text = value.as_str().map(str::trim);
        if value.is_null() || matches!(text, Some("" | SERVERS_CHOICE)) {
            return Ok(None);
        }
        match self {
            Self::Lifetime => {
                let seconds = match text {
                    Some(text) => text.parse().ok(),
                    None => value.as_u64(),
                };
                let seconds = seconds.filter(|own: &u64| u32::try_from(*own).is_ok());
                seconds.map(|own| Some(json!(own))).ok_or("is a number of seconds")
            }
            Self::Flag => match (value, text) {
                (Value::Bool(flag), _) => Ok(Some(json!(flag))),
                (_, Some("true")) => Ok(Some(json!(true))),
                (_, Some("false")) => Ok(Some(json!(false))),
                _ => Err("is true or false"),
            },
            Self::Text => text
                .filter(|text| is_sendable(text))
                .map(|text| Some(json!(text)))
                .ok_or("is a text without control characters"),
            Self::Texts => {
                let texts = value.as_array().filter(|all| all.len() <= MOST_PROPERTIES);
                let good = |own: &Value| own.as_str().is_some_and(is_sendable);
                texts
                    .filter(|all| all.iter().all(good))
                    .map(|all| Some(json!(all)))
                    .ok_or("is a list of texts")
            }
        }
    }
}

fn is_sendable(text: &str) -> bool {
    text.len() <= MOST_TEXT && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ServerKind, properties: &Value) -> Result<ClientProperties, PropertyFault> {
        ClientProperties::read(kind, properties.as_object().unwrap())
    }

    #[test]
    fn the_portals_switches_get_the_names_of_the_server() {
        let sent = json!({
            "application_access_token_expiry_time": "3600",
            "user_access_token_expiry_time": "N/A",
            "pkceMandatory": "true",
            "pkceSupportPlain": false,
            "id_token_expiry_time": "",
        });
        let read7 = read(ServerKind::IdentityServer7, &sent).unwrap();
        let wanted = json!({
            "ext_application_token_lifetime": 3600,
            "ext_pkce_mandatory": true,
            "ext_pkce_support_plain": false,
        });
        assert_eq!(Value::Object(read7.metadata), wanted);
        assert_eq!(read7.kept["application_access_token_expiry_time"], 3600);
        let classic = read(ServerKind::ClassicIdentityServer, &sent).unwrap();
        assert_eq!(classic.metadata["application_access_token_lifetime"], 3600);
        let refused = read(ServerKind::Standard, &sent).unwrap_err();
        assert_eq!(refused.name, "application_access_token_expiry_time");
        let nothing = json!({ "pkceMandatory": "false", "refresh_token_expiry_time": "N/A" });
        assert_eq!(read(ServerKind::Standard, &nothing).unwrap(), ClientProperties::default());
    }

    #[test]
    fn metadata_is_sent_as_it_is_and_nothing_else() {
        let sent = json!({ "token_endpoint_auth_method": "client_secret_post", "contacts": ["a"] });
        let standard = read(ServerKind::Standard, &sent).unwrap();
        assert_eq!(Value::Object(standard.metadata), sent);
        for (odd, name) in [
            (json!({ "grant_types": ["x"] }), "grant_types"),
            (json!({ "client_secret": "mine" }), "client_secret"),
            (json!({ "pkceMandatory": "maybe" }), "pkceMandatory"),
            (json!({ "contacts": "a" }), "contacts"),
            (json!({ "client_uri": "a\nb" }), "client_uri"),
            (
                json!({ "application_access_token_expiry_time": "-1" }),
                "application_access_token_expiry_time",
            ),
            (json!({ "x".repeat(900): "a" }), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ] {
            let kind = ServerKind::IdentityServer7;
            assert_eq!(read(kind, &odd).unwrap_err().name, name);
        }
    }
}
