//! The types of key managers, and the defaults that each brings.

use serde::{Deserialize, Serialize};

use crate::model::key_manager::introspection::SecretCarrier;
use crate::model::key_manager::rules::ClaimNames;

/// The connector types of WSO2 API Manager, and Cognito: each sets the defaults of [`ClaimNames`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyManagerType {
    #[serde(rename = "WSO2-IS")]
    Wso2Is,
    #[serde(rename = "WSO2-IS-7")]
    Wso2Is7,
    #[serde(rename = "fsKeyManager")]
    FsKeyManager,
    CustomKeyManager,
    Auth0,
    Okta,
    KeyCloak,
    PingFederate,
    Forgerock,
    AzureAD,
    Asgardeo,
    Cognito,
}

impl KeyManagerType {
    /// The name in gateway.toml.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wso2Is => "WSO2-IS",
            Self::Wso2Is7 => "WSO2-IS-7",
            Self::FsKeyManager => "fsKeyManager",
            Self::CustomKeyManager => "CustomKeyManager",
            Self::Auth0 => "Auth0",
            Self::Okta => "Okta",
            Self::KeyCloak => "KeyCloak",
            Self::PingFederate => "PingFederate",
            Self::Forgerock => "Forgerock",
            Self::AzureAD => "AzureAD",
            Self::Asgardeo => "Asgardeo",
            Self::Cognito => "Cognito",
        }
    }

    /// Returns the `typ` that this server always writes into access tokens; empty for servers that
    /// are not known to write one.
    pub fn default_token_types(self) -> &'static [&'static str] {
        match self {
            Self::Wso2Is7 | Self::FsKeyManager | Self::Asgardeo => &["at+jwt"],
            Self::Wso2Is
            | Self::CustomKeyManager
            | Self::Auth0
            | Self::Okta
            | Self::KeyCloak
            | Self::PingFederate
            | Self::Forgerock
            | Self::AzureAD
            | Self::Cognito => &[],
        }
    }

    /// Returns the way in which its servers read HTTP Basic.
    pub fn default_carrier(self) -> SecretCarrier {
        match self {
            Self::Wso2Is | Self::Wso2Is7 | Self::FsKeyManager | Self::Asgardeo => {
                SecretCarrier::BasicRaw
            }
            _ => SecretCarrier::Basic,
        }
    }

    /// The claim names that the connector of this type fills in (WSO2's connector defaults;
    /// Cognito's own tokens).
    pub fn default_claims(self) -> ClaimNames {
        let (consumer_key, scopes) = match self {
            Self::Wso2Is | Self::KeyCloak => (None, None),
            Self::Wso2Is7
            | Self::FsKeyManager
            | Self::CustomKeyManager
            | Self::Auth0
            | Self::Asgardeo => (Some("azp"), Some("scope")),
            Self::Okta => (Some("cid"), Some("scp")),
            Self::PingFederate => (Some("client_id_name"), None),
            Self::Forgerock => (Some("aud"), Some("scp")),
            Self::AzureAD => (Some("azp"), None),
            Self::Cognito => (Some("client_id"), Some("scope")),
        };
        ClaimNames {
            consumer_key: consumer_key.map(str::to_owned),
            scopes: scopes.map(str::to_owned),
        }
    }
}
