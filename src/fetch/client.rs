//! One document over HTTP: strict about status, type, size and time; no redirects, no compression, no second try.

use std::fmt::Write;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::dial;
use crate::fetch::failure::FetchFailure;
use crate::fetch::freshness::{self, Freshness};
use crate::fetch::proxy::{Proxy, Route, route};
use crate::fetch::recorder::Recorder;
use crate::fetch::trust;
use crate::model::key_manager::Fetch;

/// A document as it came.
#[derive(Debug)]
pub struct Document {
    pub content: Bytes,
    /// How long the server lets it be kept.
    pub freshness: Freshness,
    /// Whether it is a signed introspection answer (RFC 9701 section 5).
    signed: bool,
}

/// What answered a form.
#[derive(Debug)]
pub struct Posted {
    pub content: Bytes,
    pub signed: bool,
}

/// A form to post, and who posts it.
#[derive(Debug, Clone, Copy)]
pub struct FormPost<'f> {
    pub fields: &'f [(&'f str, &'f str)],
    pub authorization: Option<&'f HeaderValue>,
    /// Only a signed answer will do.
    pub signed: bool,
}

/// Characters that are kept of what a server says of its refusal.
const MOST_SAID: usize = 300;

/// The type of a signed introspection answer.
const SIGNED: &str = "application/token-introspection+jwt";

/// Key sets have a type of their own (RFC 7517 section 8.5.2); discovery documents, and most key sets, are JSON.
const KEY_SET_OR_JSON: &str = "application/jwk-set+json, application/json;q=0.9";

const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// Fetches one document within `request_timeout`, connecting included.
pub async fn fetch(settings: &Fetch, url: &str) -> Result<Document, FetchFailure> {
    let address = || FetchFailure::Address { url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| address())?;
    let host = uri.host().ok_or_else(address)?.to_owned();
    let limit = settings.request_timeout;
    let late = |_| FetchFailure::Timeout { host: host.clone(), seconds: limit.as_secs().max(1) };
    timeout(limit, exchange(settings, &uri, &host, None)).await.map_err(late)?
}

/// Posts a form, as strictly, and returns the document that answers it.
pub async fn post(
    settings: &Fetch,
    url: &str,
    form: &FormPost<'_>,
) -> Result<Posted, FetchFailure> {
    let address = || FetchFailure::Address { url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_| address())?;
    let host = uri.host().ok_or_else(address)?.to_owned();
    let limit = settings.request_timeout;
    let late = |_| FetchFailure::Timeout { host: host.clone(), seconds: limit.as_secs().max(1) };
    let document =
        timeout(limit, exchange(settings, &uri, &host, Some(form))).await.map_err(late)??;
    Ok(Posted { content: document.content, signed: document.signed })
}

async fn exchange(
    settings: &Fetch,
    uri: &Uri,
    host: &str,
    form: Option<&FormPost<'_>>,
) -> Result<Document, FetchFailure> {
    let Route { proxy, .. } = route(&settings.proxy, uri);
    let connecting = connect(uri, host, proxy.as_ref());
    let late = |_| FetchFailure::Timeout {
        host: host.to_owned(),
        seconds: settings.connect_timeout.as_secs().max(1),
    };
    let stream = timeout(settings.connect_timeout, connecting).await.map_err(late)??;
    if uri.scheme_str() == Some("https") {
        let stream = handshake(settings, host, stream).await?;
        return request(settings, uri, host, stream, None, form).await;
    }
    request(settings, uri, host, stream, proxy.as_ref(), form).await
}

async fn connect(uri: &Uri, host: &str, proxy: Option<&Proxy>) -> Result<TcpStream, FetchFailure> {
    let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let Some(proxy) = proxy else {
        return dial(host, uri.port_u16().unwrap_or(default_port)).await;
    };
    if uri.scheme_str() != Some("https") {
        return dial(proxy.uri.host().unwrap_or_default(), proxy.uri.port_u16().unwrap_or(80))
            .await;
    }
    let mut tunnel = Tunnel::new(proxy.uri.clone(), ToProxy);
    if let Some(authorization) = &proxy.authorization {
        tunnel = tunnel.with_auth(authorization.clone());
    }
    let refused = |message: String| FetchFailure::Proxy {
        proxy: proxy.name(),
        host: host.to_owned(),
        message,
    };
    let stream = tunnel.call(uri.clone()).await.map_err(|error| refused(error.to_string()))?;
    Ok(stream.into_inner())
}

async fn dial(host: &str, port: u16) -> Result<TcpStream, FetchFailure> {
    let host = host.trim_matches(['[', ']']);
    let addresses = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<SocketAddr> =
        addresses.map_err(|_| FetchFailure::Dns { host: host.to_owned() })?.collect();
    dial::connect(&addresses)
        .await
        .map_err(|source| FetchFailure::Connect { host: host.to_owned(), source })
}

/// Connects to the proxy, as directly to a server: every address has its attempt.
#[derive(Debug, Clone, Copy)]
struct ToProxy;

impl Service<Uri> for ToProxy {
    type Response = TokioIo<TcpStream>;
    type Error = FetchFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, FetchFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), FetchFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, proxy: Uri) -> Self::Future {
        Box::pin(async move {
            let port = proxy.port_u16().unwrap_or(80);
            dial(proxy.host().unwrap_or_default(), port).await.map(TokioIo::new)
        })
    }
}

async fn handshake(
    settings: &Fetch,
    host: &str,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, FetchFailure> {
    let recorder = Arc::new(Recorder::new(trust::verifier(settings.ca.as_ref())?));
    let config = trust::client_config_with(
        Arc::clone(&recorder) as _,
        settings.client_certificate.as_ref(),
    )?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    let name = name.map_err(|_| FetchFailure::Address { url: host.to_owned() })?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| FetchFailure::Tls {
        host: host.to_owned(),
        message: trust::explained(error).to_string(),
        presented: recorder.refused(),
        authorities: authorities(settings),
    })
}

fn authorities(settings: &Fetch) -> String {
    let system = format!("the system's {} authorities", trust::system_root_count());
    match &settings.ca {
        Some(ca) => format!("{system} and those in {}", ca.path.display()),
        None => format!("{system}; set ca to trust another"),
    }
}

async fn request<S>(
    settings: &Fetch,
    uri: &Uri,
    host: &str,
    stream: S,
    proxy: Option<&Proxy>,
    form: Option<&FormPost<'_>>,
) -> Result<Document, FetchFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |_| FetchFailure::BrokenOff { host: host.to_owned() };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // ends with this fetch, whichever way it goes
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    // a proxy is sent the whole address of a plain document (RFC 9112 section 3.2.2)
    let target = if proxy.is_some() {
        uri.to_string()
    } else {
        uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)
    };
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let mut request = Request::builder()
        .method(if form.is_some() { Method::POST } else { Method::GET })
        .uri(target)
        .header(header::HOST, authority)
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
    let body = Bytes::from(form.map_or_else(String::new, encoded));
    let request = request
        .body(Full::new(body))
        .map_err(|_| FetchFailure::Address { url: uri.to_string() })?;
    let response = sender.send_request(request).await.map_err(broken)?;
    read(settings, host, response, form).await
}

fn accept(form: Option<&FormPost<'_>>) -> &'static str {
    match form {
        None => KEY_SET_OR_JSON,
        Some(form) if form.signed => SIGNED,
        Some(_) => "application/json",
    }
}

/// `application/x-www-form-urlencoded`.
fn encoded(form: &FormPost<'_>) -> String {
    let pairs: Vec<String> = form
        .fields
        .iter()
        .map(|(name, value)| format!("{}={}", form_encoded(name), form_encoded(value)))
        .collect();
    pairs.join("&")
}

/// One name or value of a form. A space is `%20`: every decoder of forms and of addresses reads it.
pub fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'*') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

async fn read(
    settings: &Fetch,
    host: &str,
    response: Response<Incoming>,
    form: Option<&FormPost<'_>>,
) -> Result<Document, FetchFailure> {
    let host = || host.to_owned();
    let text = |name| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let status = response.status();
    if status.is_redirection() {
        let location = text(header::LOCATION)
            .parse::<Uri>()
            .ok()
            .and_then(|uri| uri.host().map(str::to_owned));
        return Err(FetchFailure::Redirect {
            host: host(),
            location: location.unwrap_or_else(|| "elsewhere".to_owned()),
        });
    }
    if let Some(form) = form.filter(|_| status != StatusCode::OK) {
        return Err(refused(settings, host(), response, form).await);
    }
    if status != StatusCode::OK {
        return Err(FetchFailure::Status { host: host(), status: status.as_u16() });
    }
    let content_type = text(header::CONTENT_TYPE)
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let encoding = text(header::CONTENT_ENCODING).trim().to_ascii_lowercase();
    if !matches!(encoding.as_str(), "" | "identity") {
        return Err(FetchFailure::Encoded {
            host: host(),
            encoding: encoding.chars().take(100).collect(),
        });
    }
    // many servers call everything text/plain; what is not JSON fails as JSON then
    let signed = form.is_some() && content_type == SIGNED;
    let accepted = signed
        || matches!(
            content_type.as_str(),
            "" | "application/json" | "text/plain" | "application/octet-stream"
        )
        || content_type.ends_with("+json");
    if !accepted {
        return Err(FetchFailure::ContentType {
            host: host(),
            content_type: content_type.chars().take(100).collect(),
        });
    }
    let freshness = freshness::of(response.headers());
    let limit = settings.max_document_bytes;
    let body = Limited::new(response.into_body(), usize::try_from(limit).unwrap_or(usize::MAX))
        .collect()
        .await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            FetchFailure::TooLarge { host: host(), limit }
        } else {
            FetchFailure::BrokenOff { host: host() }
        }
    })?;
    let content = plain(body.to_bytes()).map_err(|encoding| FetchFailure::Encoded {
        host: host(),
        encoding: encoding.to_owned(),
    })?;
    if form.is_none()
        && let Some(character) = strange_beginning(&content)
    {
        return Err(FetchFailure::Beginning { host: host(), character });
    }
    Ok(Document { content, freshness, signed })
}

/// What stands at the beginning, if no JSON begins so; the rest is left to the parser.
fn strange_beginning(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content.get(..64.min(content.len())).unwrap_or_default());
    let first = text.trim_start_matches([' ', '\t', '\r', '\n']).chars().next()?;
    match first {
        '{' | '[' | '"' | '-' | '0'..='9' | 't' | 'f' | 'n' => None,
        _ if first.is_ascii_graphic() => Some(format!("`{first}`")),
        _ => Some(format!("the character U+{:04X}", u32::from(first))),
    }
}

/// UTF-8 without its mark; the name of what it is instead.
fn plain(content: Bytes) -> Result<Bytes, &'static str> {
    match content.as_ref() {
        [0xEF, 0xBB, 0xBF, ..] => Ok(content.slice(3..)),
        [0x1F, 0x8B, ..] => Err("gzip"),
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] => Err("UTF-16"),
        _ => Ok(content),
    }
}

/// Why a server did not take a form, in its own words (RFC 6749 section 5.2) where it has some.
async fn refused(
    settings: &Fetch,
    host: String,
    response: Response<Incoming>,
    form: &FormPost<'_>,
) -> FetchFailure {
    let status = response.status().as_u16();
    let limit = usize::try_from(settings.max_document_bytes).unwrap_or(usize::MAX);
    let body = Limited::new(response.into_body(), limit).collect().await;
    let content = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said: serde_json::Value = serde_json::from_slice(&content).unwrap_or_default();
    let text = |name: &str| {
        let text = said.get(name)?.as_str()?;
        // the text goes to the operator's log: printable, and without what the server may quote of the form
        let secrets = form.fields.iter().map(|(_, value)| *value).filter(|value| value.len() > 3);
        let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "..."));
        let shown = text.chars().filter(|character| !character.is_control());
        Some(shown.take(MOST_SAID).collect::<String>()).filter(|text| !text.is_empty())
    };
    let error = text("error");
    let credentials = status == 401 || error.as_deref() == Some("invalid_client");
    FetchFailure::Refused {
        host,
        status,
        credentials,
        error,
        description: text("error_description"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_named() {
        let named = |content: &'static [u8]| plain(Bytes::from_static(content));
        assert_eq!(named(b"\xEF\xBB\xBF{}").unwrap(), "{}");
        assert_eq!(named(b"{}").unwrap(), "{}");
        assert_eq!(named(b"\x1F\x8B\x08").unwrap_err(), "gzip");
        assert_eq!(named(b"\xFF\xFE{\0").unwrap_err(), "UTF-16");
        assert_eq!(strange_beginning(b" \r\n{"), None);
        assert_eq!(strange_beginning(b""), None);
        assert_eq!(strange_beginning(b"<html>").as_deref(), Some("`<`"));
        let zero_width = "\u{200b}{}".as_bytes();
        assert_eq!(strange_beginning(zero_width).as_deref(), Some("the character U+200B"));
    }
}
