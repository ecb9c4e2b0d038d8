//! The failures of reading a key set, each with a message for the operator and a label for a
//! metric.

use crate::fetch::FetchFailure;
use crate::jwt::KeySetError;

/// The reason why a key manager has no new keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeySetFailure {
    #[error("the key manager has no keys: its server is asked about each token")]
    NoSource,
    #[error(transparent)]
    Fetch(#[from] FetchFailure),
    #[error("the discovery document of {host} is not JSON with the members issuer and jwks_uri")]
    Discovery { host: String },
    #[error(
        "the discovery document says the issuer is {found:?}, and {configured:?} is configured; \
         they must be equal, byte for byte"
    )]
    IssuerMismatch { found: String, configured: String },
    #[error(
        "the discovery document says the issuer is {found:?}: a template for many tenants, which \
         no token's `iss` equals; write the tenant's own address as `well_known_url` ({instead}), \
         or serve many tenants with `issuer`, `certificates` and `organizations`"
    )]
    IssuerTemplate { found: String, instead: String },
    #[error("the discovery document names an address that cannot be used: {0}")]
    Endpoint(#[source] FetchFailure),
    #[error("{0}")]
    KeySet(#[from] KeySetError),
}

impl KeySetFailure {
    /// Tells whether the server answered that there is no such document, or none for the gateway.
    pub(super) fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Fetch(FetchFailure::Status { status: 400 | 401 | 403 | 404 | 410, .. })
        )
    }

    /// The class, for a metric.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::Fetch(failure) | Self::Endpoint(failure) => failure.label(),
            Self::Discovery { .. } => "discovery",
            Self::IssuerMismatch { .. } => "issuer",
            Self::IssuerTemplate { .. } => "issuer_template",
            Self::KeySet(KeySetError::NoUsableKey { .. }) => "no_usable_key",
            Self::KeySet(_) => "json",
        }
    }
}
