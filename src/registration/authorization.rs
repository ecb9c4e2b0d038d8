//! The credentials with which the gateway calls a registration service.

use http::HeaderValue;

use crate::model::BasicCredentials;
use crate::model::key_manager::KeyManagerType;
use crate::model::secret::Secret;
use crate::registration::failure::RegistrationFailure;
use crate::registration::server::RegistrationServer;
use crate::registration::token::{TokenQuestion, client_credentials};

/// The scheme of Okta's API tokens.
const OKTA_SCHEME: &str = "SSWS";

impl RegistrationServer {
    /// Returns the proof that the gateway may make clients; `None` if the service requires none.
    pub(super) async fn authorization(&self) -> Result<Option<HeaderValue>, RegistrationFailure> {
        if let Some(token) = &self.secrets.initial_access_token {
            let okta = self.key_manager_type == KeyManagerType::Okta;
            return field(if okta { OKTA_SCHEME } else { "Bearer" }, token).map(Some);
        }
        match self.key_manager_type {
            KeyManagerType::Wso2Is | KeyManagerType::Wso2Is7 | KeyManagerType::FsKeyManager => {
                let (name, password) = self.password()?;
                Ok(BasicCredentials::field(name, password.reveal()))
            }
            KeyManagerType::Auth0
            | KeyManagerType::KeyCloak
            | KeyManagerType::Forgerock
            | KeyManagerType::PingFederate
            | KeyManagerType::Asgardeo => self.by_own_token().await.map(Some),
            KeyManagerType::Okta => Err(RegistrationFailure::Setting(
                "the key manager has no API key (`apiKey`, or `registration.initial_access_token`)"
                    .to_owned(),
            )),
            KeyManagerType::CustomKeyManager
            | KeyManagerType::Cognito
            | KeyManagerType::AzureAD => Ok(None),
        }
    }

    /// Gets a token for the gateway's own client, in the way of each product. A server with open
    /// registration needs none.
    async fn by_own_token(&self) -> Result<HeaderValue, RegistrationFailure> {
        let (client, secret) = self.password()?;
        let endpoint = self.token_endpoint().await?;
        let audience = self.secrets.audience.as_deref().map(|own| ("audience", own));
        let scopes = match self.key_manager_type {
            KeyManagerType::Asgardeo => ASGARDEO_SCOPES.map(str::to_owned).to_vec(),
            _ => Vec::new(),
        };
        let question = TokenQuestion {
            endpoint: &endpoint,
            client,
            secret,
            carrier: self.carrier(),
            scopes: &scopes,
            more: audience.as_slice(),
        };
        let token = client_credentials(&self.fetch, question).await?;
        field("Bearer", &token.access_token)
    }
}

/// The rights that Asgardeo wants for its registration service.
const ASGARDEO_SCOPES: [&str; 4] =
    ["internal_dcr_create", "internal_dcr_view", "internal_dcr_update", "internal_dcr_delete"];

/// Returns an `Authorization` field that no log shows.
pub(super) fn field(scheme: &str, token: &Secret) -> Result<HeaderValue, RegistrationFailure> {
    let field = HeaderValue::try_from(format!("{scheme} {}", token.reveal()));
    let mut field = field.map_err(|_| {
        RegistrationFailure::Setting("a token of the server cannot stand in a header".to_owned())
    })?;
    field.set_sensitive(true);
    Ok(field)
}
