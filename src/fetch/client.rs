//! One exchange by the rules of a key manager, within its `request_timeout`, connecting included.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use tokio::time::timeout;

use crate::fetch::address::FetchUrl;
use crate::fetch::connector::connect;
use crate::fetch::document::{Document, Posted, SIGNED_TYPE, answer, document};
use crate::fetch::failure::FetchFailure;
use crate::fetch::form::FormPost;
use crate::fetch::one_request::{OpenResponse, send};
use crate::fetch::proxy::{Proxy, route};
use crate::model::key_manager::Fetch;

/// Key sets have a type of their own (RFC 7517 section 8.5.2); discovery documents, and most key
/// sets, are JSON.
const KEY_SET_OR_JSON: &str = "application/jwk-set+json, application/json;q=0.9";

const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// Fetches one document.
pub async fn get(settings: &Fetch, url: &str) -> Result<Document, FetchFailure> {
    let url = FetchUrl::permitted(settings, url)?;
    let reading = async {
        let response = exchange(settings, &url, None).await?;
        document(settings, url.host(), response).await
    };
    within(settings, &url, reading).await
}

/// Posts a form and returns the answer.
pub async fn post(
    settings: &Fetch,
    url: &str,
    form: &FormPost<'_>,
) -> Result<Posted, FetchFailure> {
    let url = FetchUrl::permitted(settings, url)?;
    let reading = async {
        let response = exchange(settings, &url, Some(form)).await?;
        answer(settings, url.host(), response, form).await
    };
    within(settings, &url, reading).await
}

async fn within<T>(
    settings: &Fetch,
    url: &FetchUrl,
    // on the heap: a TLS connection is large, and a task holds it only while it fetches
    reading: impl Future<Output = Result<T, FetchFailure>>,
) -> Result<T, FetchFailure> {
    let limit = settings.request_timeout;
    timeout(limit, Box::pin(reading)).await.map_err(|_| FetchFailure::Timeout {
        host: url.host().to_owned(),
        seconds: limit.as_secs().max(1),
    })?
}

async fn exchange(
    settings: &Fetch,
    url: &FetchUrl,
    form: Option<&FormPost<'_>>,
) -> Result<OpenResponse, FetchFailure> {
    let proxy = route(&settings.proxy, url).proxy;
    let connection = connect(settings, url, proxy.as_ref()).await?;
    // a tunnel hides the proxy from the request
    let proxy = proxy.as_ref().filter(|_| !url.is_https());
    let request = request(url, proxy, form)?;
    let sent = send(connection, request).await;
    sent.map_err(|_| FetchFailure::BrokenOff { host: url.host().to_owned() })
}

fn request(
    url: &FetchUrl,
    proxy: Option<&Proxy>,
    form: Option<&FormPost<'_>>,
) -> Result<Request<Full<Bytes>>, FetchFailure> {
    // a proxy is sent the whole address of a plain document (RFC 9112 section 3.2.2)
    let target = match (proxy, url.uri().path_and_query()) {
        (Some(_), _) => url.to_string(),
        (None, Some(path)) => path.to_string(),
        (None, None) => "/".to_owned(),
    };
    let mut request = Request::builder()
        .method(if form.is_some() { Method::POST } else { Method::GET })
        .uri(target)
        .header(header::HOST, url.authority())
        .header(header::ACCEPT, accept(form))
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::USER_AGENT, USER_AGENT);
    if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.clone()) {
        request = request.header(header::PROXY_AUTHORIZATION, authorization);
    }
    if let Some(form) = form {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = form.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
    }
    let body = form.map_or_else(String::new, FormPost::encoded);
    request
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| FetchFailure::Address { url: url.to_string() })
}

fn accept(form: Option<&FormPost<'_>>) -> &'static str {
    match form {
        None => KEY_SET_OR_JSON,
        Some(form) if form.signed => SIGNED_TYPE,
        Some(_) => "application/json",
    }
}
