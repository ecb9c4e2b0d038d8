//! A key manager: an outside authorization server whose tokens the gateway believes, and how to
//! read them.

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
    /// For people; the name when nothing was written.
    pub display_name: String,
    pub description: String,
    pub kind: KeyManagerType,
    /// A disabled key manager's tokens are refused like those of an unknown issuer.
    pub enabled: bool,
    /// `None`: taken from the discovery document once that was read.
    pub issuer: Option<Issuer>,
    pub keys: KeySource,
    pub fetch: Fetch,
    pub claims: ClaimNames,
    pub rules: TokenRules,
    /// Claims that the backend JWT has under another name.
    pub claim_mapping: Vec<(String, String)>,
    /// The organization whose tokens it judges, if it was made of a template.
    pub organization: Option<TemplateOrganization>,
    pub validation: TokenValidation,
    /// Where tokens can be asked about.
    pub introspection: Option<Introspection>,
    /// Which tokens are its own; empty: all of its issuer, and opaque ones where it can be asked.
    pub handling: Vec<TokenHandling>,
    /// What application developers are shown.
    pub endpoints: KeyManagerEndpoints,
    /// How applications get keys.
    pub provisioning: KeyProvisioning,
    /// As whom the gateway makes clients.
    pub registration: RegistrationSettings,
    pub place: Provenance,
}

/// Addresses beside those of keys; empty when not written.
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

    /// Makes a key manager whose place is left out: a line above it changes nothing of it.
    #[must_use]
    pub fn without_place(&self) -> Self {
        Self { place: Provenance::default(), ..self.clone() }
    }

    /// Returns true for an organization that no file lists.
    pub fn is_unlisted(&self) -> bool {
        self.organization.as_ref().is_some_and(|own| own.listing == Listing::Unlisted)
    }

    /// The template whose organization this is.
    pub fn template(&self) -> Option<KeyManagerSlot> {
        self.organization.as_ref().map(|own| own.template)
    }

    /// The value that a token's `org_id` must have, where it has one.
    pub fn organization_id(&self) -> Option<&str> {
        self.organization.as_ref()?.id.as_deref()
    }

    /// The organization that its issuer proves.
    pub fn tenant(&self) -> Option<&str> {
        self.organization.as_ref().map(|own| own.tenant.as_str())
    }
}
