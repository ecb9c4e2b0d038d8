//! The kinds of registration services.

use crate::model::key_manager::KeyManagerType;

/// The service by which clients are made at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// RFC 7591, and RFC 7592 for clients that exist.
    Standard,
    /// WSO2 Identity Server 7: `/api/identity/oauth2/dcr/v1.1/register`.
    IdentityServer7,
    /// WSO2 Identity Server before 7, with its key manager's extension:
    /// `/keymanager-operations/dcr/register`.
    ClassicIdentityServer,
}

impl ServerKind {
    /// Returns `None` if none of these services makes clients at servers of this type.
    pub fn of(kind: KeyManagerType) -> Option<Self> {
        match kind {
            KeyManagerType::Wso2Is7 | KeyManagerType::FsKeyManager | KeyManagerType::Asgardeo => {
                Some(Self::IdentityServer7)
            }
            KeyManagerType::Wso2Is => Some(Self::ClassicIdentityServer),
            // Microsoft Graph makes them
            KeyManagerType::AzureAD => None,
            KeyManagerType::CustomKeyManager
            | KeyManagerType::Auth0
            | KeyManagerType::Okta
            | KeyManagerType::KeyCloak
            | KeyManagerType::PingFederate
            | KeyManagerType::Forgerock
            | KeyManagerType::Cognito => Some(Self::Standard),
        }
    }
}
