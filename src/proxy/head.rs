//! Reads a request's head once: one authority, one client, one spelling of the path.
//!
//! Refuses a head with two readings. Later steps, the log and the backend all get the spelling that
//! is read here.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri, Version, header};

use crate::authenticate::is_told_twice;
use crate::forward::forwarded::ClientScheme;
use crate::forward::trace;
use crate::model::reason::Reason;
use crate::proxy::connection::Transport;
use crate::proxy::exchange::Exchange;
use crate::proxy::inbound::Inbound;
use crate::proxy::metadata;
use crate::proxy::origin_cache::{Arriving, RequestOrigin};
use crate::proxy::query_token;
use crate::proxy::refusal::{Refusal, RefusalPlace, Why};
use crate::proxy::request_facts::{ConnectionFacts, RequestFacts};
use crate::proxy::worker::Worker;
use crate::route::{InvalidAuthority, NormalPath};
use crate::snapshot::local::LocalSnapshot;

/// A head that has one reading.
pub(super) struct Head<'u> {
    pub(super) origin: Rc<RequestOrigin>,
    pub(super) path: NormalPath<'u>,
    path_as_sent: &'u str,
    /// The query that the backend gets.
    pub(super) query: Option<Cow<'u, str>>,
    /// The token stood in the query of a WebSocket handshake.
    pub(super) token_in_query: bool,
    pub(super) declared: Option<DeclaredLength>,
}

/// The length of its body that a head declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeclaredLength {
    pub(super) bytes: u64,
    /// The number was written with leading zeros.
    pub(super) padded: bool,
}

/// Reads the head. `uri` is the request's target, which the exchange has taken.
pub(super) fn read<'u>(
    worker: &Worker,
    exchange: &mut Exchange,
    inbound: &mut Inbound,
    uri: &'u Uri,
) -> Result<Head<'u>, Refusal> {
    let headers = inbound.request.headers_mut();
    exchange.head.request_id = Some(trace::request_id(headers, || worker.request_id()));
    exchange.head.trace = worker.trace(trace::context(headers));
    if worker.is_overloaded() {
        return Err(Refusal::new(Reason::Overloaded));
    }
    let snapshot = worker.snapshots().load();
    let origin = check(exchange, &snapshot, inbound, uri)?;
    if inbound.request.method() == Method::OPTIONS && uri.path() == "*" {
        return Err(Refusal { why: Why::ServerOptions, at: None });
    }
    let path = snapshot
        .normalize(&origin.host, uri.path())
        .map_err(|error| Refusal::because(error.reason(), error.to_string()))?;
    if path.as_str() != uri.path() {
        exchange.head.normal_path = Some(path.as_str().to_owned());
    }
    if let Some(api) =
        metadata::asked(&snapshot, &origin.host, path.as_str(), inbound.request.method())
        && let Some((api, local)) = snapshot.api(api).zip(snapshot.local_api(api))
    {
        exchange.found(local, None);
        let at = RefusalPlace { api: Arc::clone(api), operation: None };
        return Err(at.refusal(Why::Metadata));
    }
    let stripped = query_token::take(&snapshot, inbound, &origin.host, &path, uri.query());
    let token_in_query = stripped.is_some();
    let query = match stripped {
        Some(stripped) => stripped.query.map(Cow::Owned),
        None => uri.query().map(Cow::Borrowed),
    };
    let declared = declared_length(inbound.request.headers());
    Ok(Head { origin, path, path_as_sent: uri.path(), query, token_in_query, declared })
}

/// Checks the parts of the request before its path, and identifies the client.
fn check(
    exchange: &mut Exchange,
    snapshot: &LocalSnapshot,
    inbound: &Inbound,
    uri: &Uri,
) -> Result<Rc<RequestOrigin>, Refusal> {
    let request = &inbound.request;
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Refusal::new(Reason::MethodRefused));
    }
    let most = snapshot.settings.limits.max_headers;
    if fields(request.headers()) > most {
        let message = format!("more than {most} header fields");
        return Err(Refusal::because(Reason::HeadTooLarge, message));
    }
    let origin = origin(exchange, snapshot, inbound, uri)
        .map_err(|error| Refusal::because(Reason::InvalidRequest, error.to_string()))?;
    let peer = exchange.connection().peer().ip();
    if is_told_twice(peer, request.headers(), &snapshot.settings.trusted_proxies) {
        return Err(Refusal::because(
            Reason::InvalidRequest,
            "a trusted proxy's request has more than one client certificate",
        ));
    }
    exchange.head.client = origin.origin.client();
    exchange.head.origin = Some(Rc::clone(&origin));
    match refused_scheme(request.version(), uri, origin.origin.scheme()) {
        Some(reason) => Err(Refusal::because(
            reason,
            "the scheme of the target is not the one of the connection",
        )),
        None => Ok(origin),
    }
}

/// Counts the fields of a head except the request id, which every head has by now. The parser has
/// counted those of HTTP/1, but not those of HTTP/2, where a client can split one Cookie into many.
fn fields(headers: &HeaderMap) -> usize {
    let cookies = headers.get_all(header::COOKIE).iter().count();
    headers.len().saturating_sub(1).saturating_sub(cookies.saturating_sub(1))
}

fn origin(
    exchange: &Exchange,
    snapshot: &LocalSnapshot,
    inbound: &Inbound,
    uri: &Uri,
) -> Result<Rc<RequestOrigin>, InvalidAuthority> {
    let connection = exchange.connection();
    let scheme = if connection.transport == Transport::Tls {
        ClientScheme::Https
    } else {
        ClientScheme::Http
    };
    let from = Arriving {
        peer: connection.peer().ip(),
        scheme,
        trusted_proxies: &snapshot.settings.trusted_proxies,
    };
    let request = &inbound.request;
    connection.last_origin().read(request.version(), uri, request.headers(), from)
}

/// Refuses a target for its scheme (RFC 9110 sections 4.2.2 and 7.4). Over HTTP/2 a proxy in front
/// can name the scheme that its client used.
fn refused_scheme(version: Version, target: &Uri, scheme: ClientScheme) -> Option<Reason> {
    match target.scheme_str()? {
        "http" => None,
        "https" if version >= Version::HTTP_2 || scheme == ClientScheme::Https => None,
        "https" => Some(Reason::Misdirected),
        _ => Some(Reason::InvalidRequest),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<DeclaredLength> {
    let digits = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    let padded = digits.len() > 1 && digits.starts_with('0');
    Some(DeclaredLength { bytes: digits.parse().ok()?, padded })
}

impl Head<'_> {
    /// Returns the facts that the decision uses.
    pub(super) fn facts<'r>(
        &'r self,
        exchange: &Exchange,
        inbound: &'r Inbound,
    ) -> RequestFacts<'r> {
        let origin = &self.origin.origin;
        RequestFacts {
            method: inbound.request.method(),
            host: &self.origin.host,
            path: &self.path,
            headers: inbound.request.headers(),
            connection: ConnectionFacts {
                certificate: exchange.connection().certificate(),
                peer: Some(exchange.connection().peer().ip()),
                client: Some(exchange.head.client),
                scheme: origin.scheme().as_str(),
                authority: origin.host().unwrap_or_default(),
                path: self.path_as_sent,
                prefix: origin.prefix(),
            },
        }
    }
}
