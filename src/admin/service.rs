//! One request to the API: its body within its bounds, then the handler.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::admin::acceptable::AcceptedTypes;
use crate::admin::caller::Peer;
use crate::admin::openapi::{self, DescribedApi};
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::{access, administration, devportal, dry_run, portcullis, publisher};

/// The longest body.
const MOST_BODY: usize = 1024 * 1024;

const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time of a call. A longer one has a fault, because every wait in it has its own
/// deadline.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// The paths of WSO2's APIs: scripts for earlier versions call the same operations.
const ADMIN: [&str; 2] = ["/api/am/admin/v4", "/api/am/admin/v3"];
const DEVPORTAL: [&str; 3] =
    ["/api/am/devportal/v3", "/api/am/devportal/v2.1", "/api/am/devportal/v2"];
const PUBLISHER: [&str; 2] = ["/api/am/publisher/v4", "/api/am/publisher/v3"];

const PORTCULLIS: [&str; 1] = ["/api/portcullis/v1"];

/// The API, ready to answer.
#[derive(Debug)]
pub struct AdminService(Router);

impl AdminService {
    /// Tells whether the API has an operation at this path or below.
    pub fn serves(path: &str) -> bool {
        const PREFIXES: [&str; 4] =
            ["/api/am/", "/api/portcullis/", "/client-registration/", "/oauth2/"];
        PREFIXES.iter().any(|prefix| path.starts_with(prefix))
    }

    pub fn new(admin: Admin) -> Self {
        Self(router(&Arc::new(admin)))
    }

    /// Answers a request of the management listener.
    pub async fn answer(
        &self,
        parts: Parts,
        body: Incoming,
        peer: IpAddr,
    ) -> Response<Full<Bytes>> {
        let accepted = AcceptedTypes::of(&parts.method, &parts.headers);
        if let Err(refused) = readable(&parts) {
            return whole(refused.into_response()).await;
        }
        let response = match timeout(BODY_TIMEOUT, Limited::new(body, MOST_BODY).collect()).await {
            Ok(Ok(body)) => {
                let mut request = Request::from_parts(parts, Body::from(body.to_bytes()));
                request.extensions_mut().insert(Peer(peer));
                let called = self.0.clone().oneshot(request);
                match timeout(CALL_TIMEOUT, called).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => Refused::plain(StatusCode::GATEWAY_TIMEOUT, "the call took too long")
                        .into_response(),
                }
            }
            Ok(Err(_)) => {
                Refused::plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB")
                    .into_response()
            }
            Err(_) => {
                Refused::plain(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 10 s")
                    .into_response()
            }
        };
        match accepted.check(&response) {
            Ok(()) => whole(response).await,
            Err(refused) => whole(refused.into_response()).await,
        }
    }
}

/// Refuses requests that no operation can read: a path that is not UTF-8, a compressed body.
fn readable(parts: &Parts) -> Result<(), Refused> {
    if percent_decode_str(parts.uri.path()).decode_utf8().is_err() {
        return Err(Refused::bad_request("the path is not UTF-8"));
    }
    let mut coded = parts.headers.get_all(header::CONTENT_ENCODING).iter();
    if coded.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let description = "a body is sent as it is, without `Content-Encoding`";
        return Err(Refused::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, description));
    }
    Ok(())
}

pub(super) fn router(admin: &Arc<Admin>) -> Router {
    let described = |api: DescribedApi, bases: &[&str], own: Router<Arc<Admin>>| {
        bases.iter().fold(Router::new(), |router, base| {
            router.nest(base, own.clone().merge(openapi::router(api, base)))
        })
    };
    Router::new()
        .merge(described(DescribedApi::Admin, &ADMIN, administration::router()))
        .merge(described(DescribedApi::Devportal, &DEVPORTAL, devportal::router()))
        .merge(described(DescribedApi::Publisher, &PUBLISHER, publisher::router()))
        .merge(described(DescribedApi::Portcullis, &PORTCULLIS, portcullis::router()))
        .merge(access::router())
        .nest("/oauth2", openapi::router(DescribedApi::Access, ""))
        .fallback(|uri: Uri| async move {
            Refused::not_found(format!("there is no operation at {}", uri.path()))
        })
        .method_not_allowed_fallback(|| async {
            Refused::plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "this method is not allowed here; Allow lists those that are",
            )
        })
        .layer(axum::middleware::map_response(dry_run::told))
        .with_state(Arc::clone(admin))
}

/// Answers are documents of at most some MiB, so each is sent as one piece.
async fn whole(response: Response<Body>) -> Response<Full<Bytes>> {
    let (mut parts, body) = response.into_parts();
    // the gateway's own body is in memory already, so this neither waits nor fails
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    if !parts.headers.contains_key(header::CACHE_CONTROL) {
        parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    parts.headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Response::from_parts(parts, Full::new(body))
}
