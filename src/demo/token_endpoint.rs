//! The demo's token endpoint: `client_credentials` (RFC 6749 section 4.4), with client
//! authentication by HTTP Basic or in the form. A client gets the requested scopes that it is
//! allowed to have.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::demo::form::{Parameter, decode, parameter};
use crate::demo::loopback::json;
use crate::demo::signing_keys::{SigningAlgorithm, SigningError, SigningKeys};
use crate::model::BasicCredentials;
use crate::model::clock::UnixSeconds;

const LIFETIME_SECONDS: u64 = 3600;

/// A client of the demo's authorization server.
#[derive(Clone)]
pub(super) struct DemoClient {
    pub id: String,
    pub secret: String,
    pub scopes: Vec<String>,
    pub algorithm: SigningAlgorithm,
}

impl fmt::Debug for DemoClient {
    /// Omits the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DemoClient")
            .field("id", &self.id)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// The reason why no token is issued (RFC 6749 section 5.2).
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("the client is unknown, or its secret is wrong")]
    InvalidClient,
    #[error("only the grant client_credentials is supported")]
    UnsupportedGrantType,
    #[error("the server cannot sign the token")]
    Signing(#[from] SigningError),
}

impl TokenError {
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let (status, error) = match self {
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::Signing(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        };
        let mut response =
            json(status, &json!({ "error": error, "error_description": self.to_string() }));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("Basic realm=\"portcullis demo\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// One token request, with the clients and keys to answer it.
#[derive(Debug)]
pub(super) struct TokenRequest<'r> {
    pub(super) issuer: &'r str,
    pub(super) clients: &'r [DemoClient],
    pub(super) keys: &'r SigningKeys,
    pub(super) now: UnixSeconds,
}

impl TokenRequest<'_> {
    pub(super) fn answer(&self, headers: &HeaderMap, form: &str) -> Result<Value, TokenError> {
        let client = self.authenticate(headers, form)?;
        match parameter(form, "grant_type") {
            Parameter::Once(grant) if grant == "client_credentials" => {}
            Parameter::Once(_) => return Err(TokenError::UnsupportedGrantType),
            Parameter::Absent => return Err(TokenError::InvalidRequest("grant_type is missing")),
            Parameter::Repeated => {
                return Err(TokenError::InvalidRequest("grant_type stands twice"));
            }
        }
        let scope = match parameter(form, "scope") {
            Parameter::Once(asked) => granted(&asked, &client.scopes),
            Parameter::Absent => String::new(),
            Parameter::Repeated => return Err(TokenError::InvalidRequest("scope stands twice")),
        };
        let token = self.keys.sign(client.algorithm, &self.claims(client, &scope)?)?;
        Ok(json!({
            "access_token": token, "scope": scope, "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
        }))
    }

    fn authenticate(&self, headers: &HeaderMap, form: &str) -> Result<&DemoClient, TokenError> {
        let in_form = (parameter(form, "client_id"), parameter(form, "client_secret"));
        let (id, secret) = match (headers.get(header::AUTHORIZATION), in_form) {
            (Some(_), (_, Parameter::Once(_) | Parameter::Repeated)) => {
                return Err(TokenError::InvalidRequest(
                    "the request uses two kinds of client authentication",
                ));
            }
            (Some(value), _) => basic(value).ok_or(TokenError::InvalidClient)?,
            (None, (Parameter::Once(id), Parameter::Once(secret))) => (id, secret),
            (None, (Parameter::Repeated, _) | (_, Parameter::Repeated)) => {
                return Err(TokenError::InvalidRequest("client_id or client_secret stands twice"));
            }
            (None, _) => return Err(TokenError::InvalidClient),
        };
        let known =
            self.clients.iter().find(|client| client.id == id).ok_or(TokenError::InvalidClient)?;
        verify_slices_are_equal(known.secret.as_bytes(), secret.as_bytes())
            .map_err(|_| TokenError::InvalidClient)?;
        Ok(known)
    }

    /// Returns the claims of RFC 9068 section 2.2, with `azp` and `nbf` as WSO2 Identity Server 7
    /// writes them.
    fn claims(&self, client: &DemoClient, scope: &str) -> Result<Value, TokenError> {
        let mut token_id = [0; 16];
        aws_lc_rs::rand::fill(&mut token_id)
            .map_err(|_| SigningError::Generate(rcgen::Error::RingUnspecified))?;
        let UnixSeconds(now) = self.now;
        let mut claims = json!({
            "iss": self.issuer,
            "sub": client.id,
            "aud": client.id,
            "azp": client.id,
            "client_id": client.id,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(LIFETIME_SECONDS),
            "jti": URL_SAFE_NO_PAD.encode(token_id),
        });
        if let (false, Some(members)) = (scope.is_empty(), claims.as_object_mut()) {
            members.insert("scope".to_owned(), Value::from(scope));
        }
        Ok(claims)
    }
}

/// Returns the requested scopes that are allowed, each once, in the order of the request.
fn granted(asked: &str, allowed: &[String]) -> String {
    let mut granted: Vec<&str> = Vec::new();
    for scope in asked.split(' ') {
        if allowed.iter().any(|each| each == scope) && !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    granted.join(" ")
}

/// Reads HTTP Basic, in which both halves are form-encoded (RFC 6749 section 2.3.1).
fn basic(field: &header::HeaderValue) -> Option<(String, String)> {
    let credentials = BasicCredentials::read(field)?;
    Some((decode(&credentials.name)?, decode(credentials.password.reveal())?))
}
