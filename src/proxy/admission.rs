//! From a request's head to the proof that it may be forwarded: read once, decided on one snapshot, and once more when
//! that needed keys that could be had.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};

use crate::authenticate::binding::{BindingFault, PROOF_LIFETIME, ProofMark};
use crate::authenticate::certificate::is_told_twice;
use crate::authenticate::error::shown;
use crate::authenticate::unknown_tokens::Word;
use crate::authenticate::{AuthenticateError, Question, credentials};
use crate::forward::forwarded::ClientScheme;
use crate::introspect::IntrospectionPurpose;
use crate::key_managers::Closed;
use crate::model::api::BodyStall;
use crate::model::gateway::{ByteLimit, ErrorFormat};
use crate::model::names::ApiIndex;
use crate::model::rate::Rate;
use crate::model::reason::Reason;
use crate::proxy::asserting::Assertion;
use crate::proxy::connection::Transport;
use crate::proxy::decision::{ConnectionFacts, Refused, RequestFacts, Why, decide};
use crate::proxy::denial::ReplyFormat;
use crate::proxy::exchange::Exchange;
use crate::proxy::inquiry;
use crate::proxy::local_reply::{
    OwnAnswer, refuse, refuse_here, resource_metadata, server_options,
};
use crate::proxy::metadata;
use crate::proxy::newer_keys::{KeyRefreshOutcome, NewerKeys};
use crate::proxy::request_origin::{Arriving, RequestOrigin};
use crate::proxy::service::Inbound;
use crate::proxy::vouching::IntrospectionAsker;
use crate::proxy::worker::Worker;
use crate::revocation::channel::claims::Claimed;
use crate::route::{InvalidAuthority, NormalPath};
use crate::snapshot::local::LocalSnapshot;
use crate::throttle::{self, Admitted};

/// What the head says, read once.
pub(super) struct RequestHead<'u> {
    pub(super) named: Rc<RequestOrigin>,
    pub(super) path: NormalPath<'u>,
    path_as_sent: &'u str,
}

pub(super) fn read_head<'u>(
    walk: &Worker,
    exchange: &mut Exchange,
    request: &Inbound,
    uri: &'u Uri,
    id: &HeaderValue,
) -> Result<RequestHead<'u>, OwnAnswer> {
    let snapshot = walk.snapshots().load();
    let tongue = || ReplyFormat::choose(request.headers(), snapshot.errors);
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(refuse_here(exchange, Reason::MethodRefused, id, tongue()));
    }
    if fields(request.headers()) > snapshot.limits.max_headers {
        exchange.message = Some(format!("more than {} header fields", snapshot.limits.max_headers));
        return Err(refuse_here(exchange, Reason::HeadTooLarge, id, tongue()));
    }
    let named = match named(exchange, &snapshot, request, uri) {
        Ok(named) => named,
        Err(error) => {
            exchange.message = Some(error.to_string());
            return Err(refuse_here(exchange, Reason::InvalidRequest, id, tongue()));
        }
    };
    if is_told_twice(
        exchange.connection().peer().ip(),
        request.headers(),
        &snapshot.trusted_proxies,
    ) {
        exchange.message =
            Some("a trusted proxy's request has more than one client certificate".to_owned());
        return Err(refuse_here(exchange, Reason::InvalidRequest, id, tongue()));
    }
    exchange.client = named.origin.client();
    exchange.named = Some(Rc::clone(&named));
    if let Some(reason) = refused_scheme(request.version(), uri, named.origin.scheme()) {
        exchange.message =
            Some("the scheme of the target is not the one of the connection".to_owned());
        return Err(refuse_here(exchange, reason, id, tongue()));
    }
    if request.method() == Method::OPTIONS && uri.path() == "*" {
        return Err(server_options(exchange));
    }
    match snapshot.normalize(&named.host, uri.path()) {
        Ok(path) => {
            if path.as_str() != uri.path() {
                exchange.normal_path = Some(path.as_str().to_owned());
            }
            Ok(RequestHead { named, path, path_as_sent: uri.path() })
        }
        Err(error) => {
            exchange.message = Some(error.to_string());
            Err(refuse_here(exchange, error.reason(), id, tongue()))
        }
    }
}

/// Why a target is refused for its scheme (RFC 9110 sections 4.2.2 and 7.4). Over HTTP/2 a proxy in front may name the
/// scheme that its client used.
fn refused_scheme(version: Version, target: &Uri, scheme: ClientScheme) -> Option<Reason> {
    match target.scheme_str()? {
        "http" => None,
        "https" if version >= Version::HTTP_2 || scheme == ClientScheme::Https => None,
        "https" => Some(Reason::Misdirected),
        _ => Some(Reason::InvalidRequest),
    }
}

fn named(
    exchange: &Exchange,
    snapshot: &LocalSnapshot,
    request: &Inbound,
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
        trusted_proxies: &snapshot.trusted_proxies,
    };
    connection.last_named().read(request.version(), uri, request.headers(), from)
}

/// The fields of a head but for the request id, which every head has by now. HTTP/1's were counted by the parser; HTTP/2's
/// were not, and may split one Cookie into many.
fn fields(headers: &HeaderMap) -> usize {
    let cookies = headers.get_all(header::COOKIE).iter().count();
    headers.len().saturating_sub(1).saturating_sub(cookies.saturating_sub(1))
}

/// A request that may be forwarded, with what its snapshot says of bodies and errors.
pub(super) struct Decided {
    pub(super) admitted: Admitted,
    pub(super) limit: ByteLimit,
    /// The body's declared length where it was written with leading zeros.
    pub(super) padded_length: Option<u64>,
    /// How long the body may stand still; `None`: no limit.
    pub(super) stall: Option<Duration>,
    pub(super) format: ErrorFormat,
    /// What the backend is told of the caller.
    pub(super) assertion: Option<Assertion>,
}

/// Decides, and once more when the verdict needed keys that could be had within a bounded time.
pub(super) async fn decide_and_wait(
    walk: &Worker,
    exchange: &mut Exchange,
    request: &Inbound,
    head: &RequestHead<'_>,
    id: &HeaderValue,
) -> Result<Decided, OwnAnswer> {
    let connection = facts(exchange, head);
    let asked = RequestFacts {
        method: request.method(),
        host: &head.named.host,
        path: &head.path,
        headers: request.headers(),
        connection,
    };
    let mut newer_keys = NewerKeys::default();
    // an organization is opened, the servers are asked, and once more where a reload came in between
    let mut questions: usize = 3;
    let snapshot = walk.snapshots().load();
    if let Some(api) =
        metadata::asked(&snapshot, &head.named.host, head.path.as_str(), request.method())
        && let Some(answer) = resource_metadata(exchange, &snapshot, api, &head.named.origin)
    {
        return Err(answer);
    }
    drop(snapshot);
    loop {
        let snapshot = walk.snapshots().load();
        let mut refused = match decide(&snapshot, asked, walk.cache(), walk.clock().now()) {
            Ok(grant) => {
                let claim = walk.cache().take_claim();
                let limit = grant
                    .routed()
                    .api()
                    .definition
                    .max_body_bytes
                    .unwrap_or(snapshot.limits.max_body_bytes);
                let stall = match grant.routed().api().definition.body_stall {
                    BodyStall::Limits => Some(snapshot.limits.body_stall_timeout),
                    BodyStall::After(time) => Some(time),
                    BodyStall::Never => None,
                };
                let admitted = throttle::admit(&snapshot, &grant);
                let format = snapshot.errors;
                let asserted = walk.asserted().assertion(
                    &snapshot,
                    &grant,
                    || walk.token_id(),
                    walk.clock().now(),
                    walk.cache().moment(),
                );
                let (Some(admitted), Ok(assertion)) = (admitted, asserted) else {
                    return Err(refuse_here(
                        exchange,
                        Reason::InternalError,
                        id,
                        ReplyFormat::choose(request.headers(), format),
                    ));
                };
                note_admitted(exchange, &admitted);
                let declared = declared_length(request.headers());
                if declared.is_some_and(|(length, _)| exceeds(length, limit)) {
                    return Err(refuse_here(
                        exchange,
                        Reason::BodyTooLarge,
                        id,
                        ReplyFormat::choose(request.headers(), format),
                    ));
                }
                let padded_length =
                    declared.filter(|(_, padded)| *padded).map(|(length, _)| length);
                let decided = Decided { admitted, limit, padded_length, stall, format, assertion };
                let Some(mark) = claim else { return Ok(decided) };
                drop(snapshot);
                return Box::pin(alone(walk, exchange, request, decided, mark, (id, head))).await;
            }
            Err(refused) => refused,
        };
        if let Some(question) = refused.why.question().filter(|_| questions > 0).cloned() {
            questions = questions.saturating_sub(1);
            match Box::pin(inquire(walk, exchange, &snapshot, request, refused.api, &question))
                .await
            {
                Ok(()) => continue,
                Err(why) => refused.why = Why::Authenticate(why),
            }
        }
        if newer_keys.may_help(&refused) {
            match Box::pin(newer_keys.wait(&refused, exchange.client)).await {
                KeyRefreshOutcome::DecideAgain => continue,
                KeyRefreshOutcome::Stands => {}
                KeyRefreshOutcome::Instead(why) => refused.why = Why::Authenticate(why),
            }
        }
        return Err(refuse(
            exchange,
            &snapshot,
            &refused,
            refused.why.reason(),
            request,
            (id, &head.named.origin),
        ));
    }
}

/// Lets a request with a proof pass that no other gateway has seen. Without the channel's word, what this gateway remembers
/// has to do.
async fn alone(
    walk: &Worker,
    exchange: &mut Exchange,
    request: &Inbound,
    decided: Decided,
    mark: ProofMark,
    (id, head): (&HeaderValue, &RequestHead<'_>),
) -> Result<Decided, OwnAnswer> {
    let claims = walk.cache().revocations().claims();
    if claims.claim(mark, PROOF_LIFETIME).await != Claimed::Taken {
        return Ok(decided);
    }
    let Some(principal) = decided.admitted.principal() else { return Ok(decided) };
    let error = AuthenticateError::Binding {
        key_manager: Arc::clone(principal.key_manager()),
        fault: BindingFault::Replayed,
    };
    let api = Some(decided.admitted.api().index);
    let refused = Refused { why: Why::Authenticate(error), api, routed: None };
    let snapshot = walk.snapshots().load();
    let reason = refused.why.reason();
    Err(refuse(exchange, &snapshot, &refused, reason, request, (id, &head.named.origin)))
}

fn facts<'r>(exchange: &Exchange, head: &'r RequestHead<'_>) -> ConnectionFacts<'r> {
    ConnectionFacts {
        certificate: exchange.connection().certificate(),
        peer: Some(exchange.connection().peer().ip()),
        client: Some(exchange.client),
        scheme: head.named.origin.scheme().as_str(),
        authority: head.named.origin.host().unwrap_or_default(),
        path: head.path_as_sent,
        prefix: head.named.origin.prefix(),
    }
}

/// Asks the servers what a verdict waits for; the answer is there for the next decision.
async fn inquire(
    walk: &Worker,
    exchange: &Exchange,
    snapshot: &LocalSnapshot,
    request: &Inbound,
    api: Option<ApiIndex>,
    question: &Question,
) -> Result<(), AuthenticateError> {
    match question {
        Question::Introspect { key_managers, purpose } => {
            let header = api
                .and_then(|index| snapshot.api(index))
                .map_or("authorization", |api| api.definition.authorization_header.as_str());
            let token = credentials::credential(request.headers(), header)?.token;
            let (began, patience) = (Instant::now(), inquiry::patience(key_managers));
            // a good signature is paid for by whoever signed it
            let ticket = if *purpose == IntrospectionPurpose::Judge {
                let from = (exchange.client, exchange.connection().peer().ip());
                let rate = snapshot.limits.unknown_tokens;
                let asker = IntrospectionAsker::new(walk, from, request.headers(), rate);
                Some(asker.admit(walk, token, patience).await?)
            } else {
                None
            };
            let left = patience.saturating_sub(began.elapsed());
            let asked = inquiry::ask(key_managers, token, *purpose, walk.clock().now(), left).await;
            if let Some(ticket) = ticket {
                match &asked {
                    Ok(_) => ticket.settle(Word::Vouched),
                    Err(AuthenticateError::Unanswered { retry_after: Some(_), .. }) => {
                        ticket.settle(Word::Unasked);
                    }
                    // nobody took the vouching back
                    Err(AuthenticateError::Unanswered { .. }) => drop(ticket),
                    Err(_) => ticket.settle(Word::None),
                }
            }
            let (key_manager, answer) = asked?;
            walk.cache().hand_over(&key_manager, token, answer);
            Ok(())
        }
        Question::Open { template, issuer } => {
            let Some(organizations) = &template.organizations else { return Ok(()) };
            let (budgets, peer) = (walk.cache().budgets(), exchange.connection().peer().ip());
            let client = budgets.payer(exchange.client, Some(peer), request.headers());
            let opened = organizations.open(issuer, Some(client)).await;
            match (opened, snapshot.limits.max_forged_tokens.map(Rate::a_minute)) {
                // who makes the gateway ask about what is not there pays as for a forged token
                (Err(Closed::Absent), Some(rate)) => {
                    let _ = budgets.invalid_tokens.charge(client, rate, walk.cache().moment());
                }
                (Err(Closed::TooMany { .. }), _) => budgets.note_refusal(client, Some(peer)),
                _ => {}
            }
            opened.map_err(|why| AuthenticateError::NotOpened {
                template: Arc::clone(template),
                issuer: shown(issuer),
                why,
            })
        }
    }
}

fn note_admitted(exchange: &mut Exchange, admitted: &Admitted) {
    exchange.found(Rc::clone(admitted.api()), Some(admitted.position()));
    exchange.key_type = Some(admitted.key_type());
    exchange.caller = admitted.caller().cloned();
    exchange.principal = admitted.principal().cloned();
    exchange.key_manager =
        admitted.principal().map(|principal| Arc::clone(principal.key_manager()));
}

/// The length that a head declares, and whether it is written with leading zeros.
fn declared_length(headers: &HeaderMap) -> Option<(u64, bool)> {
    let digits = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    Some((digits.parse().ok()?, digits.len() > 1 && digits.starts_with('0')))
}

fn exceeds(length: u64, limit: ByteLimit) -> bool {
    matches!(limit, ByteLimit::Bytes(most) if length > most)
}
