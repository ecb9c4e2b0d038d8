//! The decision on one request: route, authenticate, authorize, in this order, on one snapshot.
//!
//! The data path and `explain` both call this and nothing else, so that what `explain` says is what the gateway does.
//! Never waits: a verdict that needs newer keys names them, and the caller asks again once they were read.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::authenticate::binding::Evidence;
use crate::authenticate::cache::TokenCache;
use crate::authenticate::{self, AuthenticateError, Question, credentials};
use crate::authorize::{self, AuthorizationError, Grant};
use crate::jwks::{KeyManagerKeys, RefetchCause};
use crate::key_managers::Closed;
use crate::key_managers::CompiledKeyManager;
use crate::model::api::{AuthScheme, Lifecycle, OperationMethod};
use crate::model::clock::UnixSeconds;
use crate::model::names::ApiIndex;
use crate::model::reason::Reason;
use crate::proxy::cors;
use crate::route::{NormalPath, NotFound};
use crate::snapshot::{Routed, Snapshot};

/// What is decided on: the parts of a request's head that count.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'r> {
    pub method: &'r Method,
    /// Lower case, without a port.
    pub host: &'r str,
    pub path: &'r NormalPath<'r>,
    pub headers: &'r HeaderMap,
    /// What proves that a bound token is in the right hand.
    pub connection: ConnectionFacts<'r>,
}

/// What a request says by the way it came.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionFacts<'r> {
    /// Of the client's certificate.
    pub certificate: Option<[u8; 32]>,
    pub peer: Option<IpAddr>,
    /// Behind trusted proxies.
    pub client: Option<IpAddr>,
    pub scheme: &'static str,
    /// With the port, where one was sent.
    pub authority: &'r str,
    /// As sent.
    pub path: &'r str,
    /// What trusted proxies took off before it.
    pub prefix: &'r str,
}

impl ConnectionFacts<'_> {
    /// Nothing is known: bound tokens cannot be proved.
    pub const UNKNOWN: ConnectionFacts<'static> = ConnectionFacts {
        certificate: None,
        peer: None,
        client: None,
        scheme: "https",
        authority: "",
        path: "",
        prefix: "",
    };
}

impl<'r> RequestFacts<'r> {
    fn evidence(&self) -> Evidence<'r> {
        let ConnectionFacts { certificate, peer, client, scheme, authority, path, prefix } =
            self.connection;
        let paths = [path, self.path.as_str()];
        Evidence {
            certificate,
            peer,
            client,
            method: self.method.as_str(),
            scheme,
            authority,
            paths,
            prefix,
            headers: self.headers,
        }
    }
}

/// A request that is not forwarded, with the facts that its answer and its log line need.
#[derive(Debug, Clone)]
pub struct Refused<'s> {
    pub why: Why,
    /// The API, if one was found.
    pub api: Option<ApiIndex>,
    pub routed: Option<Routed<'s>>,
}

/// The step that refused.
#[derive(Debug, Clone)]
pub enum Why {
    Route(NotFound),
    /// The API's lifecycle is `blocked`.
    Blocked,
    /// The gateway answers this `OPTIONS` for the API.
    Preflight(ServedMethods),
    Authenticate(AuthenticateError),
    /// With who asked: the log names the consumer key and the application.
    Authorize(AuthorizationError, Option<authenticate::Principal>),
}

/// The methods that a path serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServedMethods {
    Any,
    Only(Vec<Method>),
}

impl Why {
    pub fn reason(&self) -> Reason {
        match self {
            Self::Route(NotFound::Api) => Reason::ApiNotFound,
            Self::Route(NotFound::Operation { .. }) => Reason::OperationNotFound,
            Self::Route(NotFound::Method { .. }) => Reason::MethodNotAllowed,
            Self::Route(NotFound::PathParameters | NotFound::OtherReading) => Reason::InvalidPath,
            Self::Blocked => Reason::ApiBlocked,
            Self::Preflight(_) => Reason::CorsPreflight,
            Self::Authenticate(error) => error.reason(),
            Self::Authorize(refusal, _) => refusal.reason(),
        }
    }

    /// The operator's message.
    pub fn message(&self) -> String {
        match self {
            Self::Route(not_found) => not_found.to_string(),
            Self::Blocked => "the API's lifecycle is \"blocked\"".to_owned(),
            Self::Preflight(_) => {
                "answered here: the API has CORS and no operation for OPTIONS".to_owned()
            }
            Self::Authenticate(error) => error.to_string(),
            Self::Authorize(refusal, _) => refusal.to_string(),
        }
    }

    /// The key sets to read again before this verdict is final.
    pub fn stale_keys(&self) -> Vec<(Arc<KeyManagerKeys>, RefetchCause)> {
        match self {
            Self::Authenticate(error) => error.stale_keys(),
            Self::Route(_) | Self::Blocked | Self::Preflight(_) | Self::Authorize(..) => Vec::new(),
        }
    }

    /// Seconds after which it is worth to try again, where that is known.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Authenticate(
                AuthenticateError::Forging { retry_after }
                | AuthenticateError::UnknownTokens { retry_after }
                | AuthenticateError::KeysPending { retry_after, .. }
                | AuthenticateError::NotOpened { why: Closed::TooMany { retry_after }, .. },
            ) => Some(*retry_after),
            Self::Authenticate(AuthenticateError::Unanswered { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    /// What has to be asked before this verdict is final.
    pub fn question(&self) -> Option<&Question> {
        match self {
            Self::Authenticate(AuthenticateError::Undecided(question)) => Some(question),
            _ => None,
        }
    }

    /// The key manager that judged, when one was found.
    pub fn key_manager(&self) -> Option<&Arc<CompiledKeyManager>> {
        match self {
            Self::Authenticate(error) => error.key_manager(),
            Self::Authorize(_, principal) => {
                principal.as_ref().map(authenticate::Principal::key_manager)
            }
            Self::Route(_) | Self::Blocked | Self::Preflight(_) => None,
        }
    }
}

/// Decides.
pub fn decide<'s>(
    snapshot: &'s Snapshot,
    asked: RequestFacts<'_>,
    cache: &TokenCache,
    now: UnixSeconds,
) -> Result<Grant<'s>, Refused<'s>> {
    let routed = route(snapshot, asked)?;
    let refused = |why| Refused { why, api: Some(routed.api().index), routed: Some(routed) };
    if routed.operation().auth == AuthScheme::None
        && let Some(granted) = authorize::open(routed)
    {
        return granted.map_err(|refusal| refused(Why::Authorize(refusal, None)));
    }
    let header = &routed.api().definition.authorization_header;
    let unproved = |error| refused(Why::Authenticate(error));
    let credential = credentials::credential(asked.headers, header).map_err(unproved)?;
    let evidence = asked.evidence();
    let caller = authenticate::authenticate(snapshot, &routed, credential, &evidence, cache, now)
        .map_err(unproved)?;
    let principal = caller.principal.clone();
    let grant = authorize::authorize(snapshot, routed, principal.clone())
        .map_err(|refusal| refused(Why::Authorize(refusal, Some(principal))))?;
    caller.use_proof(cache, now).map_err(unproved)?;
    caller.principal.key_manager().note_use(cache.moment());
    Ok(grant)
}

fn route<'s>(snapshot: &'s Snapshot, asked: RequestFacts<'_>) -> Result<Routed<'s>, Refused<'s>> {
    let found = snapshot.route(asked.host, asked.path, asked.method);
    let api = match &found {
        Ok(routed) => Some(routed.api().index),
        Err(NotFound::Api | NotFound::PathParameters | NotFound::OtherReading) => None,
        Err(NotFound::Operation { api, .. } | NotFound::Method { api, .. }) => Some(*api),
    };
    let blocked = api
        .and_then(|index| snapshot.api(index))
        .is_some_and(|api| api.definition.lifecycle == Lifecycle::Blocked);
    if let (false, Some(index)) = (blocked, api)
        && let Some(served) = answered_here(snapshot, index, &found, asked)
    {
        return Err(Refused { why: Why::Preflight(served), api, routed: None });
    }
    match found {
        Ok(_) | Err(NotFound::Operation { .. } | NotFound::Method { .. }) if blocked => {
            Err(Refused { why: Why::Blocked, api, routed: None })
        }
        Ok(routed) => Ok(routed),
        Err(not_found) => Err(Refused { why: Why::Route(not_found), api, routed: None }),
    }
}

/// Whether the gateway answers an `OPTIONS` for the API: a preflight without an operation of its own, or any where the path
/// has no operation for it. Says which methods the path serves.
fn answered_here(
    snapshot: &Snapshot,
    api: ApiIndex,
    found: &Result<Routed<'_>, NotFound>,
    asked: RequestFacts<'_>,
) -> Option<ServedMethods> {
    if *asked.method != Method::OPTIONS || snapshot.api(api)?.definition.cors.is_none() {
        return None;
    }
    match found {
        Ok(routed) => {
            let any = routed.operation().method == OperationMethod::Any
                && cors::is_preflight(asked.method, asked.headers);
            any.then_some(ServedMethods::Any)
        }
        Err(NotFound::Method { allowed, .. }) => Some(ServedMethods::Only(allowed.clone())),
        Err(_) => None,
    }
}
