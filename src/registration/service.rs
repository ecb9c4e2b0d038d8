//! The functions of a registration service: clients are made, read, changed, deleted, and get
//! tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Method};
use serde_json::{Map, Value, json};

use crate::fetch::{FetchUrl, form_encoded};
use crate::model::key_manager::{ClientProof, Credentials, KeyManagerType};
use crate::model::secret::Secret;
use crate::registration::authorization::field;
use crate::registration::call::{CallBody, ServerCall, call, call_any};
use crate::registration::failure::RegistrationFailure;
use crate::registration::kind::ServerKind;
use crate::registration::metadata::{ClientWish, ManagementAccess, RegisteredClient};
use crate::registration::server::{RegistrationServer, ServerSecrets};
use crate::registration::token::{ClientToken, TokenQuestion, client_credentials};

/// Members of a client that its server makes. An update must not send them (RFC 7592 section 2.2).
const OF_THE_SERVER: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// A client that exists at the server.
#[derive(Debug, Clone, Copy)]
pub struct KnownClient<'c> {
    pub id: &'c str,
    /// The management address and token, if the server gave some.
    pub management: Option<&'c ManagementAccess>,
}

impl RegistrationServer {
    /// Makes a client.
    pub async fn create(&self, wish: &ClientWish) -> Result<RegisteredClient, RegistrationFailure> {
        let endpoint = self.registration_endpoint().await?;
        let authorization = self.authorization().await?;
        let mut members = wish.metadata(self.kind);
        if let Some(statement) = &self.secrets.software_statement {
            members.insert("software_statement".to_owned(), json!(statement.reveal()));
        }
        let body = Value::Object(members);
        let answer = self
            .call(Method::POST, &endpoint, authorization.as_ref(), CallBody::Json(&body), None)
            .await?;
        let client = read(&answer, None, &endpoint)?;
        if let Some(pem) = &wish.certificate
            && let Err(failure) = self.put_certificate(&client.id, pem).await
        {
            let known = KnownClient { id: &client.id, management: client.management.as_ref() };
            // the first failure is reported; the server's administrator sees both
            if let Err(second) = self.delete(known).await {
                tracing::error!(
                    target: "portcullis::registration", client = client.id, error = %second,
                    "a client without its certificate cannot be deleted again",
                );
            }
            return Err(failure);
        }
        Ok(client)
    }

    /// Tells whether the gateway can read clients that it did not make.
    pub fn reads_any_client(&self) -> bool {
        self.kind != ServerKind::Standard || self.key_manager_type == KeyManagerType::Okta
    }

    /// Reads a client.
    pub async fn client(
        &self,
        client: KnownClient<'_>,
    ) -> Result<RegisteredClient, RegistrationFailure> {
        let (url, authorization) = self.way_to(client).await?;
        let answer = self
            .call(Method::GET, &url, authorization.as_ref(), CallBody::None, client.management)
            .await?;
        read(&answer, Some(client.id), &url)
    }

    /// Changes a client. Fields that the wish does not mention stay as they are.
    pub async fn update(
        &self,
        client: KnownClient<'_>,
        wish: &ClientWish,
    ) -> Result<RegisteredClient, RegistrationFailure> {
        let (url, authorization) = self.way_to(client).await?;
        let authorization = authorization.as_ref();
        let management = client.management;
        let mut members =
            self.call(Method::GET, &url, authorization, CallBody::None, management).await?;
        let (mut url, mut authorization) = (url.clone(), authorization.cloned());
        // a server may change the token with every answer
        if let Some(newer) = read(&members, Some(client.id), &url)?.management {
            let newer = KnownClient { management: Some(&newer), ..client };
            (url, authorization) = self.way_to(newer).await?;
        }
        members.retain(|name, value| !OF_THE_SERVER.contains(&name.as_str()) && !value.is_null());
        members.insert("client_id".to_owned(), json!(client.id));
        members.extend(wish.metadata(self.kind));
        if wish.callbacks.is_empty() {
            members.insert("redirect_uris".to_owned(), json!([]));
        }
        let body = CallBody::Json(&Value::Object(members));
        let answer = self.call(Method::PUT, &url, authorization.as_ref(), body, management).await?;
        if let Some(pem) = &wish.certificate {
            self.put_certificate(client.id, pem).await?;
        }
        read(&answer, Some(client.id), &url)
    }

    /// Deletes a client. One that is gone already is as good.
    pub async fn delete(&self, client: KnownClient<'_>) -> Result<(), RegistrationFailure> {
        let (url, authorization) = self.way_to(client).await?;
        let deleted = self
            .call(Method::DELETE, &url, authorization.as_ref(), CallBody::None, client.management)
            .await;
        match deleted {
            // the token of RFC 7592 ends with its client; an administrator's does not
            Err(failure) if failure.is_gone() && client.management.is_some() => Ok(()),
            Err(RegistrationFailure::Refused { status: 404 | 410, .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Gets a token for a client.
    pub async fn token(
        &self,
        client: &str,
        secret: &Secret,
        scopes: &[String],
    ) -> Result<ClientToken, RegistrationFailure> {
        let endpoint = self.token_endpoint().await?;
        let carrier = self.carrier();
        let question =
            TokenQuestion { endpoint: &endpoint, client, secret, carrier, scopes, more: &[] };
        client_credentials(&self.fetch, question).await
    }

    async fn call(
        &self,
        method: Method,
        url: &str,
        authorization: Option<&HeaderValue>,
        body: CallBody<'_>,
        management: Option<&ManagementAccess>,
    ) -> Result<Map<String, Value>, RegistrationFailure> {
        let password = match &self.credentials {
            Some(Credentials { proof: ClientProof::Password { secret, .. }, .. }) => Some(secret),
            _ => None,
        };
        let ServerSecrets { initial_access_token, software_statement, .. } = &self.secrets;
        let mut secrets: Vec<&Secret> =
            [initial_access_token, software_statement].into_iter().flatten().collect();
        secrets.extend(password);
        secrets.extend(management.map(|own| &own.token));
        call(&self.fetch, ServerCall { method, url, authorization, body, secrets }).await
    }

    /// Calls another API of the server, as its administrator.
    pub(super) async fn administer(
        &self,
        method: Method,
        url: &str,
        body: CallBody<'_>,
    ) -> Result<Value, RegistrationFailure> {
        let authorization = self.authorization().await?;
        let authorization = authorization.as_ref();
        let secrets = self.password().map(|(_, secret)| vec![secret]).unwrap_or_default();
        call_any(&self.fetch, ServerCall { method, url, authorization, body, secrets }).await
    }

    /// The address of a client at an older server of WSO2.
    pub(super) async fn classic_client(&self, id: &str) -> Result<String, RegistrationFailure> {
        let endpoint = self.registration_endpoint().await?;
        Ok(format!("{}/{}", endpoint.trim_end_matches('/'), URL_SAFE_NO_PAD.encode(id)))
    }

    /// Returns the address of a client and the credentials for it.
    async fn way_to(
        &self,
        client: KnownClient<'_>,
    ) -> Result<(String, Option<HeaderValue>), RegistrationFailure> {
        if let Some(management) = client.management {
            let endpoint = self.registration_endpoint().await?;
            if !same_server(&endpoint, &management.uri) {
                return Err(RegistrationFailure::Setting(
                    "the address that the server gave for the client is at another server"
                        .to_owned(),
                ));
            }
            return Ok((management.uri.clone(), Some(field("Bearer", &management.token)?)));
        }
        let id = match self.kind {
            ServerKind::IdentityServer7 => form_encoded(client.id),
            ServerKind::ClassicIdentityServer => URL_SAFE_NO_PAD.encode(client.id),
            ServerKind::Standard if self.key_manager_type == KeyManagerType::Okta => {
                form_encoded(client.id)
            }
            ServerKind::Standard => {
                return Err(RegistrationFailure::Setting(
                    "no `registration_access_token` of the client is kept (RFC 7592), without \
                     which nobody can read, change or delete it; keeping it needs \
                     `store.encryption_key`"
                        .to_owned(),
                ));
            }
        };
        let endpoint = self.registration_endpoint().await?;
        let url = format!("{}/{id}", endpoint.trim_end_matches('/'));
        Ok((url, self.authorization().await?))
    }
}

fn read(
    answer: &Map<String, Value>,
    id: Option<&str>,
    url: &str,
) -> Result<RegisteredClient, RegistrationFailure> {
    RegisteredClient::read(answer, id).map_err(|why| RegistrationFailure::unreadable(url, why))
}

/// Tells whether two addresses are at one server: a token must go to no other.
fn same_server(one: &str, other: &str) -> bool {
    match (FetchUrl::read(one), FetchUrl::read(other)) {
        (Ok(one), Ok(other)) => one.has_origin_of(&other),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_address_is_at_its_server() {
        let endpoint = "https://is.example/register";
        assert!(same_server(endpoint, "https://IS.example:443/register/c?x=1"));
        for other in [
            "https://other.example/register/c",
            "http://is.example/register/c",
            "https://is.example:8443/register/c",
            "https://is.example.evil/register/c",
            "file:///register",
            "",
        ] {
            assert!(!same_server(endpoint, other), "{other}");
        }
    }
}
