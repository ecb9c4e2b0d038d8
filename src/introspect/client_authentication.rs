//! Authenticates the gateway to an introspection endpoint: by a secret (HTTP Basic, or in the
//! form), by a client assertion for each request (RFC 7523), by the certificate of the connection
//! (RFC 8705), or not at all.
//!
//! Decides which fields a request carries. The connection shows the certificate.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde_json::json;

use crate::assertion::{SigningKey, UnusableKey};
use crate::fetch::form_encoded;
use crate::model::BasicCredentials;
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{ClientProof, Credentials, SecretCarrier};
use crate::model::secret::Secret;

/// A client assertion is good for one question.
const LIFETIME_SECONDS: u64 = 60;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The gateway, as one server knows it.
pub(super) enum ClientAuthentication {
    /// The request does not name the client.
    Unnamed,
    Basic(HeaderValue),
    Form {
        id: String,
        secret: Secret,
    },
    Key {
        id: String,
        key: Box<SigningKey>,
        key_id: Option<String>,
        audience: Option<String>,
    },
    /// The client id alone: the connection's certificate is the proof, or the server requires none.
    Named {
        id: String,
    },
}

/// The fields of a request besides its token.
#[derive(Default)]
pub(super) struct CredentialFields<'c> {
    pub(super) authorization: Option<&'c HeaderValue>,
    pub(super) fields: Vec<(&'static str, String)>,
}

impl ClientAuthentication {
    pub(super) fn of(credentials: Option<&Credentials>) -> Result<Self, UnusableKey> {
        let Some(Credentials { username, proof }) = credentials else { return Ok(Self::Unnamed) };
        Ok(match proof {
            ClientProof::Password { secret, carrier } => match carrier {
                SecretCarrier::Basic => {
                    basic(&form_encoded(username), &form_encoded(secret.reveal()))
                }
                SecretCarrier::BasicRaw => basic(username, secret.reveal()),
                SecretCarrier::Form => Self::Form { id: username.clone(), secret: secret.clone() },
            },
            ClientProof::Key { key, id, audience } => Self::Key {
                id: username.clone(),
                key: Box::new(SigningKey::read(key)?),
                key_id: id.clone(),
                audience: audience.clone(),
            },
            ClientProof::None if username.is_empty() => Self::Unnamed,
            ClientProof::None | ClientProof::Certificate => Self::Named { id: username.clone() },
        })
    }

    /// Returns the proof for one question to a server of this issuer, at this endpoint. `None` if
    /// nothing can be signed now.
    pub(super) fn proof(
        &self,
        issuer: &str,
        endpoint: &str,
        now: UnixSeconds,
    ) -> Option<CredentialFields<'_>> {
        Some(match self {
            Self::Unnamed => CredentialFields::default(),
            Self::Basic(value) => {
                CredentialFields { authorization: Some(value), fields: Vec::new() }
            }
            Self::Named { id } => {
                CredentialFields { authorization: None, fields: vec![("client_id", id.clone())] }
            }
            Self::Form { id, secret } => CredentialFields {
                authorization: None,
                fields: vec![
                    ("client_id", id.clone()),
                    ("client_secret", secret.reveal().to_owned()),
                ],
            },
            Self::Key { id, key, key_id, audience } => {
                let mut random = [0; 16];
                rand::fill(&mut random).ok()?;
                let usual = if issuer.is_empty() { endpoint } else { issuer };
                let claims = json!({
                    "iss": id,
                    "sub": id,
                    "aud": audience.as_deref().unwrap_or(usual),
                    "jti": URL_SAFE_NO_PAD.encode(random),
                    "iat": now.0, "exp": now.0.saturating_add(LIFETIME_SECONDS),
                });
                let assertion = key.sign(&claims, key_id.as_deref())?;
                let kind = ASSERTION_TYPE.to_owned();
                CredentialFields {
                    authorization: None,
                    fields: vec![
                        ("client_id", id.clone()),
                        ("client_assertion_type", kind),
                        ("client_assertion", assertion),
                    ],
                }
            }
        })
    }
}

fn basic(id: &str, secret: &str) -> ClientAuthentication {
    // base64 is always valid in a header
    BasicCredentials::field(id, secret)
        .map_or(ClientAuthentication::Unnamed, ClientAuthentication::Basic)
}
