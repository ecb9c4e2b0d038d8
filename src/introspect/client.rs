//! Who asks: by a password (HTTP Basic), by a word that is signed anew for each question (RFC 7523), or by the certificate
//! of the connection (RFC 8705).
//!
//! Decides what a question carries; the certificate itself is the connection's.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde_json::json;

use crate::assertion::{SigningKey, UnusableKey};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{ClientProof, Credentials};

/// A signed word is good for one question.
const LIFETIME_SECONDS: u64 = 60;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The gateway, as one server knows it.
pub(super) enum Client {
    /// Something else than the form says it: the certificate of the connection alone.
    Unnamed,
    Basic(HeaderValue),
    Key {
        id: String,
        key: Box<SigningKey>,
        key_id: Option<String>,
        audience: Option<String>,
    },
    Certificate {
        id: String,
    },
}

/// What a question carries beside its token.
#[derive(Default)]
pub(super) struct Proof<'c> {
    pub(super) authorization: Option<&'c HeaderValue>,
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Client {
    pub(super) fn of(credentials: Option<&Credentials>) -> Result<Self, UnusableKey> {
        let Some(Credentials { username, proof }) = credentials else { return Ok(Self::Unnamed) };
        Ok(match proof {
            ClientProof::Password(password) => {
                // RFC 6749 section 2.3.1 wants both parts form-encoded; servers that do not decode see no difference in plain ones
                let pair = format!("{username}:{}", password.reveal());
                match HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))) {
                    Ok(mut value) => {
                        value.set_sensitive(true);
                        Self::Basic(value)
                    }
                    // Base64 always is a value
                    Err(_) => Self::Unnamed,
                }
            }
            ClientProof::Key { key, id, audience } => Self::Key {
                id: username.clone(),
                key: Box::new(SigningKey::read(key)?),
                key_id: id.clone(),
                audience: audience.clone(),
            },
            ClientProof::Certificate => Self::Certificate { id: username.clone() },
        })
    }

    /// For one question to a server of this issuer, at this endpoint. `None`: nothing can be signed now.
    pub(super) fn proof(
        &self,
        issuer: &str,
        endpoint: &str,
        now: UnixSeconds,
    ) -> Option<Proof<'_>> {
        Some(match self {
            Self::Unnamed => Proof::default(),
            Self::Basic(value) => Proof { authorization: Some(value), fields: Vec::new() },
            Self::Certificate { id } => {
                Proof { authorization: None, fields: vec![("client_id", id.clone())] }
            }
            Self::Key { id, key, key_id, audience } => {
                let mut random = [0; 16];
                rand::fill(&mut random).ok()?;
                let usual = if issuer.is_empty() { endpoint } else { issuer };
                let claims = json!({
                    "iss": id, "sub": id, "aud": audience.as_deref().unwrap_or(usual), "jti": URL_SAFE_NO_PAD.encode(random),
                    "iat": now.0, "exp": now.0.saturating_add(LIFETIME_SECONDS),
                });
                let assertion = key.sign(&claims, key_id.as_deref())?;
                let kind = ASSERTION_TYPE.to_owned();
                Proof {
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
