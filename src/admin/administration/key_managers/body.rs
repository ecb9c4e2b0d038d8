//! WSO2's form of a key manager.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::admin::administration::key_managers::connectors::MASK;
use crate::admin::nulls::without_nulls;

/// A key manager as callers send it and as it is shown. A field that is `null` is not there.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct KeyManagerBody {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) display_name: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) description: Option<String>,
    pub(super) well_known_endpoint: Option<String>,
    pub(super) introspection_endpoint: Option<String>,
    pub(super) client_registration_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) display_token_endpoint: Option<String>,
    pub(super) revoke_endpoint: Option<String>,
    pub(super) display_revoke_endpoint: Option<String>,
    pub(super) user_info_endpoint: Option<String>,
    pub(super) authorize_endpoint: Option<String>,
    pub(super) endpoints: Option<Vec<NamedEndpoint>>,
    pub(super) certificates: Option<CertificatesBody>,
    pub(super) issuer: Option<String>,
    pub(super) alias: Option<String>,
    pub(super) scope_management_endpoint: Option<String>,
    pub(super) available_grant_types: Option<Vec<String>>,
    pub(super) enable_token_generation: Option<bool>,
    pub(super) enable_token_encryption: Option<bool>,
    pub(super) enable_token_hashing: Option<bool>,
    #[serde(rename = "enableMapOAuthConsumerApps")]
    pub(super) enable_map_oauth_consumer_apps: Option<bool>,
    #[serde(rename = "enableOAuthAppCreation")]
    pub(super) enable_oauth_app_creation: Option<bool>,
    #[serde(rename = "enableSelfValidationJWT")]
    pub(super) enable_self_validation_jwt: Option<bool>,
    pub(super) claim_mapping: Option<Vec<ClaimMappingBody>>,
    pub(super) consumer_key_claim: Option<String>,
    pub(super) scopes_claim: Option<String>,
    pub(super) token_validation: Option<Vec<TokenValidationBody>>,
    pub(super) enabled: Option<bool>,
    pub(super) global: Option<bool>,
    pub(super) additional_properties: Option<Map<String, Value>>,
    pub(super) permissions: Option<PermissionsBody>,
    pub(super) token_type: Option<String>,
    pub(super) allowed_organizations: Option<Vec<String>>,
}

/// An endpoint by its name, such as `token_endpoint`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedEndpoint {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CertificatesBody {
    /// `JWKS` or `PEM`.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) value: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ClaimMappingBody {
    pub(super) remote_claim: Option<String>,
    pub(super) local_claim: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TokenValidationBody {
    pub(super) id: Option<i64>,
    pub(super) enable: Option<bool>,
    /// `REFERENCE`, `JWT` or `CUSTOM`.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// A regular expression, or `{"body": {claim: expression}}`.
    pub(super) value: Option<Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct PermissionsBody {
    /// `PUBLIC`, `ALLOW` or `DENY`.
    pub(super) permission_type: Option<String>,
    pub(super) roles: Option<Vec<String>>,
}

/// The part of a key manager that a list shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyManagerInfo {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) description: String,
    pub(super) enabled: bool,
    pub(super) is_global: bool,
    pub(super) is_used: bool,
    pub(super) token_type: &'static str,
}

/// An endpoint's name in `endpoints`, and its key in `gateway.toml`.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndpointName {
    pub(super) rest: &'static str,
    /// The name of the deprecated field.
    pub(super) flat: &'static str,
    pub(super) declared: &'static str,
    /// The gateway calls it; others are shown to people only.
    pub(super) called: bool,
}

const fn endpoint(
    rest: &'static str,
    flat: &'static str,
    declared: &'static str,
    called: bool,
) -> EndpointName {
    EndpointName { rest, flat, declared, called }
}

pub(super) static ENDPOINTS: [EndpointName; 9] = [
    endpoint(
        "client_registration_endpoint",
        "clientRegistrationEndpoint",
        "client_registration_endpoint",
        true,
    ),
    endpoint("introspection_endpoint", "introspectionEndpoint", "introspection_endpoint", true),
    endpoint("token_endpoint", "tokenEndpoint", "token_endpoint", true),
    endpoint("display_token_endpoint", "displayTokenEndpoint", "display_token_endpoint", false),
    endpoint("revoke_endpoint", "revokeEndpoint", "revoke_endpoint", true),
    endpoint("display_revoke_endpoint", "displayRevokeEndpoint", "display_revoke_endpoint", false),
    endpoint("userinfo_endpoint", "userInfoEndpoint", "userinfo_endpoint", true),
    endpoint("authorize_endpoint", "authorizeEndpoint", "authorize_endpoint", false),
    endpoint("scope_endpoint", "scopeManagementEndpoint", "scope_management_endpoint", true),
];

impl KeyManagerBody {
    /// The deprecated field of an endpoint.
    pub(super) fn flat(&mut self, name: &EndpointName) -> &mut Option<String> {
        match name.rest {
            "client_registration_endpoint" => &mut self.client_registration_endpoint,
            "introspection_endpoint" => &mut self.introspection_endpoint,
            "token_endpoint" => &mut self.token_endpoint,
            "display_token_endpoint" => &mut self.display_token_endpoint,
            "revoke_endpoint" => &mut self.revoke_endpoint,
            "display_revoke_endpoint" => &mut self.display_revoke_endpoint,
            "userinfo_endpoint" => &mut self.user_info_endpoint,
            "authorize_endpoint" => &mut self.authorize_endpoint,
            _ => &mut self.scope_management_endpoint,
        }
    }

    /// Returns the body as it is sent: without fields that are not there.
    pub(super) fn shown(&self) -> Value {
        without_nulls(serde_json::to_value(self).unwrap_or_default())
    }
}

impl std::fmt::Debug for KeyManagerBody {
    /// Leaves out the connector settings, of which some are secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let properties = self.additional_properties.as_ref().map(|own| (own.len(), MASK));
        f.debug_struct("KeyManagerBody")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("additional_properties", &properties)
            .finish_non_exhaustive()
    }
}
