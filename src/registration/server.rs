//! An authorization server at which the gateway makes clients.

use tokio::sync::OnceCell;

use crate::model::key_manager::{
    ClientProof, Credentials, Fetch, KeyManager, KeyManagerType, KeySource, SecretCarrier,
};
use crate::model::secret::Secret;
use crate::registration::discovery::{DiscoveredEndpoints, discover};
use crate::registration::failure::RegistrationFailure;
use crate::registration::kind::ServerKind;

/// The settings of a key manager that are for registration alone.
#[derive(Debug, Clone, Default)]
pub struct ServerSecrets {
    /// RFC 7591 section 3, or Okta's API key.
    pub initial_access_token: Option<Secret>,
    /// RFC 7591 section 2.3.
    pub software_statement: Option<Secret>,
    /// The audience of Auth0's management API.
    pub audience: Option<String>,
}

/// A server with everything that calls to it need.
#[derive(Debug)]
pub struct RegistrationServer {
    pub(super) kind: ServerKind,
    pub(super) key_manager_type: KeyManagerType,
    pub(super) fetch: Fetch,
    pub(super) credentials: Option<Credentials>,
    pub(super) secrets: ServerSecrets,
    registration_endpoint: String,
    token_endpoint: String,
    well_known_url: Option<String>,
    /// Fetched once for each call of the API, which makes a new server value.
    discovered: OnceCell<DiscoveredEndpoints>,
}

impl RegistrationServer {
    /// Returns `None` if clients at servers of this type cannot be made.
    pub fn of(key_manager: &KeyManager, secrets: ServerSecrets) -> Option<Self> {
        let well_known_url = match &key_manager.keys {
            KeySource::Discovery { well_known_url } => Some(well_known_url.clone()),
            KeySource::Jwks { well_known_url, .. } => well_known_url.clone(),
            _ => None,
        };
        let written = &key_manager.registration;
        Some(Self {
            kind: ServerKind::of(key_manager.kind)?,
            key_manager_type: key_manager.kind,
            fetch: key_manager.fetch.clone(),
            credentials: written.credentials.clone(),
            secrets: ServerSecrets {
                initial_access_token: secrets
                    .initial_access_token
                    .or_else(|| written.initial_access_token.clone()),
                software_statement: secrets
                    .software_statement
                    .or_else(|| written.software_statement.clone()),
                audience: secrets.audience,
            },
            registration_endpoint: key_manager.endpoints.client_registration.clone(),
            token_endpoint: key_manager.endpoints.token.clone(),
            well_known_url,
            discovered: OnceCell::new(),
        })
    }

    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    pub(super) async fn registration_endpoint(&self) -> Result<String, RegistrationFailure> {
        let missing = "`client_registration_endpoint` is missing, and the discovery document has \
                       no `registration_endpoint`";
        if !self.registration_endpoint.is_empty() {
            return Ok(self.registration_endpoint.clone());
        }
        let found = self.discovered().await?.and_then(|own| own.registration_endpoint.clone());
        found.ok_or_else(|| RegistrationFailure::Setting(missing.to_owned()))
    }

    pub(super) async fn token_endpoint(&self) -> Result<String, RegistrationFailure> {
        let missing =
            "`token_endpoint` is missing, and the discovery document has no `token_endpoint`";
        if !self.token_endpoint.is_empty() {
            return Ok(self.token_endpoint.clone());
        }
        let found = self.discovered().await?.and_then(|own| own.token_endpoint.clone());
        found.ok_or_else(|| RegistrationFailure::Setting(missing.to_owned()))
    }

    /// Returns `None` if the key manager names no discovery document.
    async fn discovered(&self) -> Result<Option<&DiscoveredEndpoints>, RegistrationFailure> {
        let Some(url) = &self.well_known_url else { return Ok(None) };
        self.discovered.get_or_try_init(|| discover(&self.fetch, url)).await.map(Some)
    }

    /// The name and the password of `credentials`.
    pub(super) fn password(&self) -> Result<(&str, &Secret), RegistrationFailure> {
        match &self.credentials {
            Some(Credentials { username, proof: ClientProof::Password { secret, .. } }) => {
                Ok((username, secret))
            }
            _ => Err(RegistrationFailure::Setting(
                "the key manager has no `credentials` with a name and a password, as which the \
                 gateway would make clients"
                    .to_owned(),
            )),
        }
    }

    /// The form of secrets that servers of this type read.
    pub(super) fn carrier(&self) -> SecretCarrier {
        self.key_manager_type.default_carrier()
    }
}
