//! The form in which a request is sent to one target: its URI, its `Host`, and the length of its
//! body.

use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Request, Uri, header};
use http_body::Body;

use crate::backend::CompiledTarget;
use crate::forward::body::request::RequestBody;
use crate::forward::failure::ForwardError;

/// Declares the length of the body if the library would not. HTTP/2 has its own framing. The
/// library takes a GET or HEAD without a length for one without a body. A method that expects a
/// body declares that there is none (RFC 9110 section 8.6).
fn frame(request: &mut Request<RequestBody>, http2: bool) {
    let empty = request.body().is_end_stream();
    let method = request.method();
    let name = if http2 {
        request.headers_mut().remove(header::TRANSFER_ENCODING);
        return;
    } else if empty && matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        header::CONTENT_LENGTH
    } else if lacks_length(request) {
        header::TRANSFER_ENCODING
    } else {
        return;
    };
    let value = if empty { "0" } else { "chunked" };
    if !request.headers().contains_key(header::CONTENT_LENGTH) {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// Tells whether there is a body without a length, with a method that seldom has one.
pub(super) fn lacks_length(request: &Request<RequestBody>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.body().is_end_stream()
        && request.body().size_hint().exact().is_none()
}

/// Puts the authority in the place of the protocol: HTTP/2 in the URI, HTTP/1.1 in `Host`.
pub(super) fn speak(
    request: &mut Request<RequestBody>,
    target: &CompiledTarget,
    http2: bool,
) -> Result<(), http::uri::InvalidUriParts> {
    frame(request, http2);
    if http2 == request.uri().authority().is_some() {
        return Ok(());
    }
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    if http2 {
        parts.scheme = Some(if target.tls.is_some() {
            http::uri::Scheme::HTTPS
        } else {
            http::uri::Scheme::HTTP
        });
        // the target's own, unless the backend gets the client's
        let host = request.headers_mut().remove(header::HOST);
        parts.authority = Some(match host.filter(|host| *host != target.authority) {
            Some(host) => Authority::try_from(host.as_bytes())
                .unwrap_or_else(|_| target.uri_authority.clone()),
            None => target.uri_authority.clone(),
        });
    } else {
        let authority = parts.authority.take();
        let other = authority.filter(|authority| *authority != target.uri_authority);
        let host = other.and_then(|authority| HeaderValue::try_from(authority.as_str()).ok());
        parts.scheme = None;
        request
            .headers_mut()
            .insert(header::HOST, host.unwrap_or_else(|| target.authority.clone()));
    }
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

/// Puts a target's address on a request.
pub(super) fn address(
    request: &mut Request<RequestBody>,
    target: &CompiledTarget,
    path: &str,
    query: Option<&str>,
) -> Result<(), ForwardError> {
    let base = target.definition.base_path.as_str();
    let mut text = String::with_capacity(
        base.len()
            .saturating_add(path.len())
            .saturating_add(query.map_or(1, |query| query.len().saturating_add(2))),
    );
    text.push_str(base);
    text.push_str(path);
    if text.is_empty() {
        text.push('/');
    }
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    // both parts were read as parts of a valid URI, so this cannot fail; were it to, nothing is
    // sent
    let path = PathAndQuery::from_maybe_shared(bytes::Bytes::from(text))
        .map_err(|_| ForwardError::NoBackend)?;
    *request.uri_mut() = Uri::from(path);
    request.headers_mut().insert(header::HOST, target.authority.clone());
    Ok(())
}
