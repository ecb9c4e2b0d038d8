//! The facts of one exchange, grouped by the step that finds them.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request, Uri, Version};

use crate::authenticate::{CallerNames, Principal, TokenJudge};
use crate::authorize::AuthorizationError;
use crate::forward::body::RequestProgress;
use crate::forward::targets::Attempts;
use crate::model::application::KeyType;
use crate::model::reason::Reason;
use crate::proxy::denial::FormatPreference;
use crate::proxy::origin_cache::RequestOrigin;
use crate::snapshot::throttling::CompiledPolicy;
use crate::telemetry::ExchangeTrace;
use crate::telemetry::refusals::Unsigned;
use crate::throttle::levels::LevelKind;

/// The request as the client sent it.
#[derive(Debug)]
pub(super) struct ReceivedRequest {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) uri: Uri,
    pub(super) user_agent: Option<HeaderValue>,
    /// The format in which the client prefers errors.
    pub(super) preference: FormatPreference,
}

/// The facts that reading the head finds.
#[derive(Debug)]
pub(super) struct HeadFacts {
    pub(super) request_id: Option<HeaderValue>,
    /// `None` if the client names no trace and the gateway does not trace.
    pub(super) trace: Option<ExchangeTrace>,
    pub(super) origin: Option<Rc<RequestOrigin>>,
    /// The client behind trusted proxies; the peer until the head was read.
    pub(super) client: IpAddr,
    /// `None` if it equals the path of the URI.
    pub(super) normal_path: Option<String>,
}

/// The facts that the decision finds.
#[derive(Debug, Default)]
pub(super) struct CallerFacts {
    pub(super) principal: Option<Principal>,
    pub(super) names: Option<Rc<CallerNames>>,
    pub(super) key_type: Option<KeyType>,
    /// The rule that the request breaks, and that is only observed.
    pub(super) observed: Option<AuthorizationError>,
    /// The key manager that judged a refused token, if one was found.
    pub(super) judge: Option<TokenJudge>,
    /// A refused token, kept for `explain`.
    pub(super) token: Option<Unsigned>,
}

/// The facts that forwarding finds.
#[derive(Debug, Default)]
pub(super) struct BackendFacts {
    pub(super) progress: Option<Rc<RequestProgress>>,
    pub(super) attempts: Attempts,
    /// The length of the front part of the path that the backend does not see.
    pub(super) base_length: usize,
    pub(super) began: Option<Instant>,
    pub(super) time: Option<Duration>,
}

/// The status that logs show for an exchange whose client left before an answer (nginx's).
const CLIENT_CLOSED: u16 = 499;

/// A policy, and the level at which it limits.
pub(super) type LimitingPolicy = (LevelKind, Arc<CompiledPolicy>);

#[derive(Debug, Clone, Copy)]
pub(super) struct ExchangeOutcome {
    pub(super) status: u16,
    pub(super) reason: Reason,
}

impl ExchangeOutcome {
    /// The client left before an answer.
    pub(super) const LEFT: Self = Self { status: CLIENT_CLOSED, reason: Reason::ClientClosed };
}

impl ReceivedRequest {
    /// Takes the facts of a request, and its URI: the backend gets another one.
    pub(super) fn take<B>(request: &mut Request<B>) -> Self {
        let headers = request.headers();
        Self {
            user_agent: headers.get(http::header::USER_AGENT).cloned(),
            preference: FormatPreference::of(headers),
            method: request.method().clone(),
            version: request.version(),
            uri: std::mem::take(request.uri_mut()),
        }
    }
}

/// Tells whether the client was refused, and got an id to ask about.
pub(super) fn is_refusal(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::Forwarded
            | Reason::CorsPreflight
            | Reason::ResourceMetadata
            | Reason::ServerOptions
            | Reason::ClientClosed
    )
}
