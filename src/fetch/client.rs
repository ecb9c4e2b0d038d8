//! One exchange by the rules of a key manager, within its `request_timeout`, connecting included.

use std::time::Duration;

use bytes::Bytes;
use http::request::Builder;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use tokio::time::timeout;

use crate::fetch::address::FetchUrl;
use crate::fetch::connector::{certificate_until, connect};
use crate::fetch::document::{Document, Posted, SIGNED_TYPE, answer, document, text};
use crate::fetch::failure::FetchFailure;
use crate::fetch::form::FormPost;
use crate::fetch::one_request::{OpenResponse, send};
use crate::fetch::proxy::{Proxy, route};
use crate::model::key_manager::Fetch;

/// Key sets have a type of their own (RFC 7517 section 8.5.2); discovery documents, and most key
/// sets, are JSON.
const KEY_SET_OR_JSON: &str = "application/jwk-set+json, application/json;q=0.9";

const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// The answer to a delivery.
#[derive(Debug)]
pub struct Receipt {
    pub status: StatusCode,
    /// The time after which the server can take more.
    pub retry_after: Option<Duration>,
    pub content: Bytes,
}

/// Fetches one document.
pub async fn get(settings: &Fetch, url: &str) -> Result<Document, FetchFailure> {
    let url = FetchUrl::permitted(settings, url)?;
    let reading = async {
        let (response, certificate_until) = exchange(settings, &url, None).await?;
        let document = document(settings, url.host(), response).await?;
        Ok(Document { certificate_until, ..document })
    };
    within(settings, &url, reading).await
}

/// Fetches a text of any type.
pub async fn get_text(settings: &Fetch, url: &str) -> Result<Bytes, FetchFailure> {
    let url = FetchUrl::permitted(settings, url)?;
    let reading = async {
        let (response, _) = exchange(settings, &url, None).await?;
        text(settings, url.host(), response).await
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
        let (response, certificate_until) = exchange(settings, &url, Some(form)).await?;
        let posted = answer(settings, url.host(), response, form).await?;
        Ok(Posted { certificate_until, ..posted })
    };
    within(settings, &url, reading).await
}

/// Posts JSON to a server that takes deliveries, such as a collector of traces. The caller
/// interprets the status.
pub async fn deliver(
    settings: &Fetch,
    url: &str,
    json: Bytes,
    authorization: Option<&HeaderValue>,
) -> Result<Receipt, FetchFailure> {
    let url = FetchUrl::permitted(settings, url)?;
    let delivering = async {
        let response = open(settings, &url, |proxy| {
            let mut request = begun(&url, proxy, Method::POST);
            request = request.header(header::CONTENT_TYPE, "application/json");
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            finished(&url, request, json)
        });
        let (response, _) = response.await?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let most = usize::try_from(settings.max_document_bytes).unwrap_or(usize::MAX);
        // an answer that cannot be read tells nothing besides its status
        let content = response.content(most).await.unwrap_or_default();
        Ok(Receipt { status, retry_after, content })
    };
    within(settings, &url, delivering).await
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

pub(super) async fn within<T>(
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
) -> Result<Answered, FetchFailure> {
    open(settings, url, |proxy| request(url, proxy, form)).await
}

/// A response, and the end of the certificate that its server has shown.
pub(super) type Answered = (OpenResponse, Option<u64>);

/// Sends a request, and waits for the response's head. `request` gets the proxy's name.
pub(super) async fn open(
    settings: &Fetch,
    url: &FetchUrl,
    request: impl FnOnce(Option<&Proxy>) -> Result<Request<Full<Bytes>>, FetchFailure>,
) -> Result<Answered, FetchFailure> {
    let proxy = route(&settings.proxy, url).proxy;
    let connection = connect(settings, url, proxy.as_ref()).await?;
    // a tunnel hides the proxy from the request
    let request = request(proxy.as_ref().filter(|_| !url.is_https()))?;
    let certificate_until = certificate_until(&connection);
    let sent = send(connection, request).await;
    let sent = sent.map_err(|_| FetchFailure::BrokenOff { host: url.host().to_owned() })?;
    Ok((sent, certificate_until))
}

fn request(
    url: &FetchUrl,
    proxy: Option<&Proxy>,
    form: Option<&FormPost<'_>>,
) -> Result<Request<Full<Bytes>>, FetchFailure> {
    let method = if form.is_some() { Method::POST } else { Method::GET };
    let mut request = begun(url, proxy, method).header(header::ACCEPT, accept(form));
    if let Some(form) = form {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = form.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
    }
    let body = form.map_or_else(String::new, FormPost::encoded);
    finished(url, request, Bytes::from(body))
}

/// Begins a request: its target, and the fields that every request has.
pub(super) fn begun(url: &FetchUrl, proxy: Option<&Proxy>, method: Method) -> Builder {
    // a proxy is sent the whole address of a plain document (RFC 9112 section 3.2.2)
    let target = match (proxy, url.uri().path_and_query()) {
        (Some(_), _) => url.to_string(),
        (None, Some(path)) => path.to_string(),
        (None, None) => "/".to_owned(),
    };
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, url.authority())
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::USER_AGENT, USER_AGENT);
    match proxy.and_then(|proxy| proxy.authorization.clone()) {
        Some(authorization) => request.header(header::PROXY_AUTHORIZATION, authorization),
        None => request,
    }
}

pub(super) fn finished(
    url: &FetchUrl,
    request: Builder,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, FetchFailure> {
    let request = request.body(Full::new(body));
    request.map_err(|_| FetchFailure::Address { url: url.to_string() })
}

fn accept(form: Option<&FormPost<'_>>) -> &'static str {
    match form {
        None => KEY_SET_OR_JSON,
        Some(form) if form.signed => SIGNED_TYPE,
        Some(_) => "application/json",
    }
}
