//! The demo's authorization server: discovery document, key set, token endpoint and key rotation,
//! at the paths of WSO2 Identity Server.
//!
//! It stands in for the operator's own server. It issues tokens to every client that knows the
//! demo's public secrets, so it listens on loopback only.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::demo::loopback::{RunningServer, json};
use crate::demo::signing_keys::{SigningError, SigningKeys};
use crate::demo::token_endpoint::{DemoClient, TokenError, TokenRequest};
use crate::model::clock::Clock;

/// The path of the discovery document.
pub(super) const DISCOVERY_PATH: &str = "/oauth2/token/.well-known/openid-configuration";
pub(super) const TOKEN_PATH: &str = "/oauth2/token";
pub(super) const JWKS_PATH: &str = "/oauth2/jwks";
/// The path to which `POST` rotates the signing keys.
pub(super) const ROTATE_PATH: &str = "/rotate";

/// The largest token request; usual ones have some hundred bytes.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The embedded authorization server.
#[derive(Debug)]
pub(super) struct DemoServer {
    base: String,
    issuer: String,
    clients: Vec<DemoClient>,
    keys: ArcSwap<SigningKeys>,
    clock: Arc<dyn Clock>,
}

impl DemoServer {
    /// Makes keys and listens on a loopback address. Its issuer is `http://ADDRESS/oauth2/token`.
    pub(super) async fn start(
        address: SocketAddr,
        clients: Vec<DemoClient>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<RunningServer> {
        let keys = generate().await.map_err(io::Error::other)?;
        // the issuer contains the port, which is known once the listener is open
        let server = Arc::new(std::sync::OnceLock::new());
        let running = RunningServer::serve(address, {
            let server = Arc::clone(&server);
            move |request| {
                let server: Option<Arc<DemoServer>> = server.get().cloned();
                async move {
                    match server {
                        Some(server) => server.answer(request).await,
                        None => refuse(StatusCode::SERVICE_UNAVAILABLE, "starting"),
                    }
                }
            }
        })
        .await?;
        let base = format!("http://{}", running.address());
        let issuer = format!("{base}{TOKEN_PATH}");
        server.get_or_init(|| {
            Arc::new(DemoServer { base, issuer, clients, keys: ArcSwap::from_pointee(keys), clock })
        });
        Ok(running)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, DISCOVERY_PATH) => json(StatusCode::OK, &self.discovery()),
            (&Method::GET, JWKS_PATH) => json(StatusCode::OK, &self.keys.load().jwks()),
            (&Method::POST, TOKEN_PATH) => not_stored(self.token(request).await),
            (&Method::POST, ROTATE_PATH) => self.rotate().await,
            (_, DISCOVERY_PATH | JWKS_PATH | TOKEN_PATH | ROTATE_PATH) => {
                refuse(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
            }
            _ => refuse(StatusCode::NOT_FOUND, "not found"),
        }
    }

    fn discovery(&self) -> Value {
        let Self { base, issuer, .. } = self;
        let mut scopes: Vec<&str> =
            self.clients.iter().flat_map(|client| &client.scopes).map(String::as_str).collect();
        scopes.sort_unstable();
        scopes.dedup();
        json!({
            "issuer": issuer,
            "token_endpoint": format!("{base}{TOKEN_PATH}"),
            "jwks_uri": format!("{base}{JWKS_PATH}"),
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "scopes_supported": scopes,
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        })
    }

    async fn token(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, MAX_FORM_BYTES).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(_) => {
                return TokenError::InvalidRequest("the form is too large or incomplete")
                    .response();
            }
        };
        let Ok(form) = std::str::from_utf8(&body) else {
            return TokenError::InvalidRequest("the form is not UTF-8").response();
        };
        let keys = self.keys.load_full();
        let request = TokenRequest {
            issuer: &self.issuer,
            clients: &self.clients,
            keys: &keys,
            now: self.clock.now(),
        };
        match request.answer(&head.headers, form) {
            Ok(body) => json(StatusCode::OK, &body),
            Err(error) => error.response(),
        }
    }

    async fn rotate(&self) -> Response<Full<Bytes>> {
        let new = match generate().await {
            Ok(new) => new,
            Err(error) => return refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        };
        self.keys.rcu(|old| old.followed_by(&new));
        json(StatusCode::OK, &json!({ "published": self.keys.load().key_ids() }))
    }
}

/// Generates keys on another thread, because RSA keys take long.
async fn generate() -> Result<SigningKeys, SigningError> {
    tokio::task::spawn_blocking(SigningKeys::generate)
        .await
        .unwrap_or(Err(SigningError::Generate(rcgen::Error::RingUnspecified)))
}

fn refuse(status: StatusCode, error: &str) -> Response<Full<Bytes>> {
    json(status, &json!({ "error": error }))
}

/// Forbids caches to store an answer that may hold a token (RFC 6749 section 5.1).
fn not_stored(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
