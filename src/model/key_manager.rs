//! A key manager: an outside authorization server whose tokens the gateway accepts, and the rules
//! for reading them.

mod algorithm;
mod fetch;
mod introspection;
mod kind;
mod registration;
mod rules;

pub use algorithm::SignatureAlgorithm;
pub use fetch::{ClientCertificate, Fetch, KeySource, PemFile, ProxyChoice};
pub use introspection::{
    ClientProof, Credentials, Introspection, OnIntrospectionFailure, SecretCarrier, TokenValidation,
};
pub use kind::KeyManagerType;
pub use registration::RegistrationSettings;
pub use rules::{ClaimNames, IdTokens, TokenRules};

use crate::model::identity::Identity;
use crate::model::names::{Issuer, KeyManagerName, KeyManagerSlot};
use crate::model::organization::{Listing, TemplateOrganization};
use crate::model::provenance::Provenance;
use crate::model::provisioning::KeyProvisioning;
use crate::model::token_handling::TokenHandling;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyManager {
    pub identity: Identity,
    pub name: KeyManagerName,
    /// The name for people; the technical name if none was written.
    pub display_name: String,
    pub description: String,
    pub kind: KeyManagerType,
    /// A disabled key manager's tokens are refused like those of an unknown issuer.
    pub enabled: bool,
    /// `None` until the discovery document is read.
    pub issuer: Option<Issuer>,
    pub keys: KeySource,
    pub fetch: Fetch,
    pub claims: ClaimNames,
    pub rules: TokenRules,
    /// Claims that the backend JWT has under another name.
    pub claim_mapping: Vec<(String, String)>,
    /// The organization whose tokens it judges, if it was made from a template.
    pub organization: Option<TemplateOrganization>,
    pub validation: TokenValidation,
    /// The introspection endpoint and its settings.
    pub introspection: Option<Introspection>,
    /// The tokens that belong to it. Empty: all tokens of its issuer, and opaque ones if it has
    /// introspection.
    pub handling: Vec<TokenHandling>,
    /// The endpoints that application developers see.
    pub endpoints: KeyManagerEndpoints,
    /// The ways in which applications get keys.
    pub provisioning: KeyProvisioning,
    /// The credentials with which the gateway registers clients.
    pub registration: RegistrationSettings,
    pub place: Provenance,
}

/// Addresses besides those of keys; empty if not written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyManagerEndpoints {
    pub token: String,
    pub display_token: String,
    pub revoke: String,
    pub display_revoke: String,
    pub introspection: String,
    pub userinfo: String,
    pub authorize: String,
    pub client_registration: String,
    pub scope_management: String,
    pub grant_types: Vec<String>,
}

impl KeyManager {
    pub fn slot(&self) -> KeyManagerSlot {
        KeyManagerSlot(u16::try_from(self.identity.slot()).unwrap_or(u16::MAX))
    }

    /// Returns a copy without its place, so that a line added above it changes nothing.
    #[must_use]
    pub fn without_place(&self) -> Self {
        Self { place: Provenance::default(), ..self.clone() }
    }

    /// Returns true for an organization that no file lists.
    pub fn is_unlisted(&self) -> bool {
        self.organization.as_ref().is_some_and(|own| own.listing == Listing::Unlisted)
    }

    /// Returns the template that this organization belongs to.
    pub fn template(&self) -> Option<KeyManagerSlot> {
        self.organization.as_ref().map(|own| own.template)
    }

    /// Returns the value that a token's `org_id` must have, if the token has one.
    pub fn organization_id(&self) -> Option<&str> {
        self.organization.as_ref()?.id.as_deref()
    }

    /// The organization that its issuer proves.
    pub fn tenant(&self) -> Option<&str> {
        self.organization.as_ref().map(|own| own.tenant.as_str())
    }
}
