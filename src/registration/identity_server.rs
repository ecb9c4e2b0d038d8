//! The special functions of WSO2 Identity Server 7: secrets of a client, several at a time, and its
//! certificate, by the application management API (`/api/server/v1/applications`).

use http::Method;
use serde_json::{Value, json};

use crate::fetch::form_encoded;
use crate::model::secret::Secret;
use crate::registration::call::CallBody;
use crate::registration::failure::RegistrationFailure;
use crate::registration::kind::ServerKind;
use crate::registration::server::RegistrationServer;

/// The end of the address of the registration service, which stands before that of applications.
const REGISTRATION_PATH: &str = "/api/identity/oauth2/dcr/v1.1/register";

const APPLICATIONS_PATH: &str = "/api/server/v1/applications";

/// The server keeps fewer secrets of a client than this.
const MOST_SECRETS: usize = 100;

/// A secret of a client. Only its creation shows its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecret {
    pub id: String,
    pub value: Option<Secret>,
    pub description: Option<String>,
    /// In the server's own form.
    pub expires_at: Option<Value>,
}

impl RegistrationServer {
    /// Tells whether the server makes a new secret for a client.
    pub fn regenerates_secrets(&self) -> bool {
        self.kind != ServerKind::Standard
    }

    /// Tells whether the server keeps several secrets of one client.
    pub fn keeps_several_secrets(&self) -> bool {
        self.kind == ServerKind::IdentityServer7
    }

    /// Replaces all secrets of a client by a new one.
    pub async fn regenerate_secret(&self, client: &str) -> Result<Secret, RegistrationFailure> {
        let url = if self.kind == ServerKind::IdentityServer7 {
            format!("{}/regenerate-secret", self.protocol_of(client).await?)
        } else {
            format!("{}/regenerate-consumer-secret", self.classic_client(client).await?)
        };
        let answer = self.administer(Method::POST, &url, CallBody::None).await?;
        secret_of(&answer).ok_or_else(|| unreadable(&url, "it has no secret"))
    }

    /// Adds a secret to those of a client.
    pub async fn add_secret(
        &self,
        client: &str,
        properties: &Value,
    ) -> Result<ClientSecret, RegistrationFailure> {
        let url = format!("{}/secrets", self.protocol_of(client).await?);
        let answer = self.administer(Method::POST, &url, CallBody::Json(properties)).await?;
        let added = ClientSecret::read(&answer).filter(|own| own.value.is_some());
        added.ok_or_else(|| unreadable(&url, "it is no secret with an id"))
    }

    /// Lists the secrets of a client, without their values.
    pub async fn secrets(&self, client: &str) -> Result<Vec<ClientSecret>, RegistrationFailure> {
        let url = format!("{}/secrets", self.protocol_of(client).await?);
        let answer = self.administer(Method::GET, &url, CallBody::None).await?;
        let all = answer
            .as_array()
            .or_else(|| ["secrets", "list"].iter().find_map(|name| answer.get(*name)?.as_array()));
        let all = all.ok_or_else(|| unreadable(&url, "it is no list of secrets"))?;
        Ok(all.iter().take(MOST_SECRETS).filter_map(ClientSecret::read).collect())
    }

    /// Ends one secret of a client.
    pub async fn revoke_secret(
        &self,
        client: &str,
        secret: &str,
    ) -> Result<(), RegistrationFailure> {
        let secret = form_encoded(secret);
        let url = format!("{}/secrets/{secret}", self.protocol_of(client).await?);
        self.administer(Method::DELETE, &url, CallBody::None).await.map(drop)
    }

    /// Gives a client the certificate with which it calls.
    pub(super) async fn put_certificate(
        &self,
        client: &str,
        pem: &str,
    ) -> Result<(), RegistrationFailure> {
        let url = self.application_of(client).await?;
        let body = json!({
            "advancedConfigurations": { "certificate": { "type": "PEM", "value": pem } }
        });
        self.administer(Method::PATCH, &url, CallBody::Json(&body)).await.map(drop)
    }

    /// The address of a client's settings of OpenID Connect.
    async fn protocol_of(&self, client: &str) -> Result<String, RegistrationFailure> {
        Ok(format!("{}/inbound-protocols/oidc", self.application_of(client).await?))
    }

    /// The address of the application that has a client.
    async fn application_of(&self, client: &str) -> Result<String, RegistrationFailure> {
        let endpoint = self.registration_endpoint().await?;
        let Some(base) = endpoint.trim_end_matches('/').strip_suffix(REGISTRATION_PATH) else {
            return Err(RegistrationFailure::Setting(format!(
                "`client_registration_endpoint` does not end with {REGISTRATION_PATH}, so the \
                 address of applications is not known"
            )));
        };
        let applications = format!("{base}{APPLICATIONS_PATH}");
        let filter = form_encoded(&format!("clientId eq {client}"));
        let url = format!("{applications}?filter={filter}&limit=2");
        let answer = self.administer(Method::GET, &url, CallBody::None).await?;
        let found = answer.get("applications").and_then(Value::as_array);
        match found.map(Vec::as_slice) {
            Some([one]) => {
                let id = one.get("id").and_then(Value::as_str).unwrap_or_default();
                Ok(format!("{applications}/{}", form_encoded(id)))
            }
            _ => Err(unreadable(&url, "it does not name the one application of the client")),
        }
    }
}

impl ClientSecret {
    fn read(value: &Value) -> Option<Self> {
        let id = ["secretId", "id"].iter().find_map(|name| value.get(*name)?.as_str())?;
        let expiry = ["expiresAt", "expiryTime"].iter().find_map(|name| value.get(*name));
        Some(Self {
            id: id.to_owned(),
            value: secret_of(value),
            description: value.get("description").and_then(Value::as_str).map(str::to_owned),
            expires_at: expiry.filter(|own| !own.is_null()).cloned(),
        })
    }
}

fn secret_of(value: &Value) -> Option<Secret> {
    let names = ["clientSecret", "client_secret", "secretValue", "secret"];
    let text = names.iter().find_map(|name| value.get(*name)?.as_str())?;
    Some(Secret::new(text.to_owned())).filter(|own| !own.reveal().is_empty())
}

fn unreadable(url: &str, why: &'static str) -> RegistrationFailure {
    RegistrationFailure::unreadable(url, why)
}
