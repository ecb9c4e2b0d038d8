//! Prepares an admitted request for its backend: headers, backend JWT, body limits, upgrade.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Version, header};

use crate::assertion::AssertedCaller;
use crate::authenticate::Principal;
use crate::deadline::Deadline;
use crate::forward::body::RequestBody;
use crate::forward::early_hints::Interim;
use crate::forward::headers::{self, Hop, Trailers};
use crate::forward::pool::ConnectionPurpose;
use crate::forward::targets::Outgoing;
use crate::forward::trace;
use crate::model::api::AuthorizationForwarding;
use crate::model::backend::{Addressing, Balance, HashKey};
use crate::model::reason::Reason;
use crate::proxy::exchange::Exchange;
use crate::proxy::head::Head;
use crate::proxy::inbound::Inbound;
use crate::proxy::refusal::Refusal;
use crate::proxy::stream::kind::grpc_timeout;
use crate::proxy::stream::upgrade::UpgradeRequest;
use crate::proxy::worker::Worker;
use crate::telemetry::ExchangeTrace;
use crate::throttle::{Admitted, Permitted};

/// The facts about a request that the way back needs, once the request itself is with the backend.
#[derive(Debug)]
pub(super) struct WayBack {
    /// The end of the whole exchange: `request_timeout`, or the client's `grpc-timeout` if that is
    /// shorter.
    pub(super) deadline: Option<Deadline>,
    pub(super) upgrade: Option<Box<UpgradeRequest>>,
    pub(super) client_base: String,
    pub(super) token_in_query: bool,
}

/// Makes the request that the backend gets.
pub(super) fn prepare<'h>(
    worker: &Worker,
    exchange: &mut Exchange,
    head: &'h Head<'_>,
    admitted: &Admitted,
    inbound: Inbound,
) -> Result<(Outgoing<'h>, WayBack), Refusal> {
    let Inbound { mut request, mut upgrade } = inbound;
    let permitted = admitted.permitted();
    let deadline = deadline(worker, exchange, admitted, request.headers());
    let key = hash_key(exchange, admitted, request.headers());
    let client_base = client_base(admitted, head);
    rewrite(worker, exchange, admitted, (head, &client_base), &mut request)?;
    assert_caller(worker, permitted, request.headers_mut())?;
    if let Some(declared) = head.declared.filter(|declared| declared.padded) {
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(declared.bytes));
    }
    if let Some(upgrade) = &mut upgrade {
        let asked = upgrade.ask(request.headers_mut());
        asked.map_err(|_| Refusal::because(Reason::InternalError, "no random numbers"))?;
    }
    exchange.backend.progress = Some(Rc::clone(request.body().progress()));
    exchange.backend.base_length = permitted.base_length();
    limit_body(worker, permitted, upgrade.is_some(), &mut request);
    let connection = exchange.connection();
    let preserved = addressing(admitted).preserve_host;
    let outgoing = Outgoing {
        path: head.path.as_str().get(permitted.base_length()..).unwrap_or_default(),
        query: head.query.as_deref(),
        host: preserved.then(|| head.origin.written.host().cloned()).flatten(),
        key,
        purpose: if upgrade.is_some() {
            ConnectionPurpose::Upgrade
        } else {
            ConnectionPurpose::Exchange
        },
        interim: if exchange.request.version == Version::HTTP_11 {
            Arc::clone(connection.interim())
        } else {
            Arc::new(Interim::mute())
        },
        neighbors: connection.neighbors(),
        request,
    };
    let token_in_query = head.token_in_query;
    Ok((outgoing, WayBack { deadline, upgrade, client_base, token_in_query }))
}

fn deadline(
    worker: &Worker,
    exchange: &Exchange,
    admitted: &Admitted,
    headers: &HeaderMap,
) -> Option<Deadline> {
    let operators = admitted.backend().and_then(|(group, _)| group.request_timeout);
    let clients = if exchange.request.preference.is_grpc() { grpc_timeout(headers) } else { None };
    let time = operators.into_iter().chain(clients).min()?;
    Some(worker.deadlines().after(time))
}

/// Returns the key that keeps a client with its target if the backend hashes; otherwise nothing.
fn hash_key(exchange: &Exchange, admitted: &Admitted, headers: &HeaderMap) -> Vec<u8> {
    let Some(Balance::ConsistentHash(by)) = admitted.backend().map(|(group, _)| &group.balance)
    else {
        return Vec::new();
    };
    let client = || exchange.head.client.to_string().into_bytes();
    match by {
        HashKey::ConsumerKey => {
            let principal = admitted.permitted().principal();
            let consumer_key = principal.and_then(Principal::consumer_key);
            consumer_key.map_or_else(client, |consumer_key| consumer_key.as_bytes().to_vec())
        }
        HashKey::Header(name) => {
            headers.get(name).map_or_else(client, |value| value.as_bytes().to_vec())
        }
    }
}

fn addressing(admitted: &Admitted) -> Addressing {
    admitted.backend().map(|(group, _)| group.addressing).unwrap_or_default()
}

/// Returns the part of the client's path that the backend does not see: the prefix that proxies in
/// front removed, and the API's context and version. It is empty unless the backend's addressing
/// asks for it.
fn client_base(admitted: &Admitted, head: &Head<'_>) -> String {
    let Addressing { rewrite_location, forward_prefix, .. } = addressing(admitted);
    if !rewrite_location && !forward_prefix {
        return String::new();
    }
    let base_length = admitted.permitted().base_length();
    let base = head.path.as_str().get(..base_length).unwrap_or_default();
    format!("{}{base}", head.origin.origin.prefix())
}

/// Rewrites the headers: first those that end here go, then the gateway's own come.
fn rewrite(
    worker: &Worker,
    exchange: &Exchange,
    admitted: &Admitted,
    (head, client_base): (&Head<'_>, &str),
    request: &mut Request<RequestBody>,
) -> Result<(), Refusal> {
    let api = admitted.permitted().api();
    let definition = &api.definition;
    if request.version() == Version::HTTP_2 {
        join_cookies(request.headers_mut());
    }
    // the token of a query stands in a header only for the gateway
    let removed =
        definition.authorization == AuthorizationForwarding::Remove || head.token_in_query;
    let hop = Hop {
        credential: removed.then_some(&*definition.authorization_header),
        origin: &head.origin.written,
        prefix: addressing(admitted)
            .forward_prefix
            .then(|| HeaderValue::try_from(client_base).ok().filter(|base| !base.is_empty()))
            .flatten(),
        removed: &api.removed,
        version: request.version(),
        via: worker.via(),
    };
    let trailers = headers::rewrite_request(request.headers_mut(), &hop)
        .map_err(|error| Refusal::because(Reason::InvalidRequest, error.to_string()))?;
    if trailers == Trailers::Read {
        request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let trace = exchange.head.trace.as_ref();
    if let Some(context) = trace.and_then(ExchangeTrace::for_backend) {
        trace::propagate(request.headers_mut(), &context);
    }
    headers::apply(&definition.request_headers, request.headers_mut());
    // the extensions of the client's connection are not for the backend
    request.extensions_mut().clear();
    *request.version_mut() = Version::HTTP_11;
    Ok(())
}

/// Joins cookies: HTTP/2 may send one a field, HTTP/1.1 has one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut fields = headers.get_all(header::COOKIE).iter();
    if fields.next().is_none() || fields.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Tells the backend about the caller by a backend JWT, if the API asks for one and the caller is
/// known. The client's own field of that name is always removed.
fn assert_caller(
    worker: &Worker,
    permitted: &Permitted,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    let Some(assertions) = permitted.assertions() else { return Ok(()) };
    headers::remove_every_spelling(headers, assertions.header.as_str());
    let api = &permitted.api().definition;
    let Some(principal) = permitted.principal().filter(|_| api.backend_jwt) else { return Ok(()) };
    let names = permitted.caller();
    let caller = AssertedCaller {
        claims: principal.claims(),
        mapping: &principal.key_manager().definition.claim_mapping,
        application: names.map(|names| (&*names.application, &*names.owner)),
        attributes: permitted.attributes(),
        key_type: permitted.key_type(),
        api: api.name.as_str(),
        version: api.version.as_str(),
        context: &api.base_path,
    };
    let times = (worker.clock().now(), worker.cache().moment());
    let token = &principal.marks().token.0;
    let value = worker
        .assertions()
        .backend_jwt(assertions, &caller, token, || worker.token_id(), times)
        .map_err(|error| Refusal::because(Reason::InternalError, error.to_string()))?;
    headers.insert(assertions.header.clone(), value);
    Ok(())
}

/// Lets the body be read within its limits. A request that asks for another protocol has none.
fn limit_body(
    worker: &Worker,
    permitted: &Permitted,
    upgrades: bool,
    request: &mut Request<RequestBody>,
) {
    let body = request.body_mut();
    if upgrades {
        *body = RequestBody::empty(Rc::clone(body.progress()));
    } else {
        let limits = permitted.body();
        body.admit(limits.size, limits.stall, worker.deadlines(), permitted.api());
    }
}
