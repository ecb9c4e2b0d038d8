//! A request that the gateway answers itself, as a value:
//! [`local_reply`](crate::proxy::local_reply) turns it into a response.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;

use crate::authenticate::{AuthenticateError, Principal, Question, TokenJudge, Unproven};
use crate::authorize::AuthorizationError;
use crate::key_managers::OrganizationClosed;
use crate::model::api::Operation;
use crate::model::reason::Reason;
use crate::route::NotFound;
use crate::snapshot::{CompiledApi, Routed};
use crate::throttle::Throttled;

/// A refused request: the reason, and the operation.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub why: Why,
    /// `None` until an API is found.
    pub at: Option<RefusalPlace>,
}

/// The API that refused, and the operation if one was found.
#[derive(Debug, Clone)]
pub struct RefusalPlace {
    pub api: Arc<CompiledApi>,
    /// The position of the operation in its API.
    pub operation: Option<usize>,
}

/// The step that refused.
#[derive(Debug, Clone)]
pub enum Why {
    Route(NotFound),
    /// The API's lifecycle is `blocked`.
    Blocked,
    Authenticate(AuthenticateError),
    /// The log names the consumer key and the application of the principal.
    Authorize(AuthorizationError, Option<Principal>),
    Throttle(Throttled),
    /// A step without errors of its own, with the operator's message.
    Step(Reason, Option<Cow<'static, str>>),
    /// Not a refusal: an `OPTIONS` that the gateway answers for the API, with these headers.
    Preflight(Box<HeaderMap>),
    /// Not a refusal: the protected resource metadata of the API (RFC 9728).
    Metadata,
    /// Not a refusal: `OPTIONS *` asks about the gateway itself (RFC 9110 section 9.3.7).
    ServerOptions,
}

/// A request without a grant.
#[derive(Debug)]
pub enum Undecided {
    Refused(Refusal),
    /// The servers' answers may change the decision.
    Needs(Question, RefusalPlace),
}

impl Refusal {
    /// Refuses before an API is found, or independently of the API.
    pub fn new(reason: Reason) -> Self {
        Self { why: Why::Step(reason, None), at: None }
    }

    /// Refuses like [`Refusal::new`], with a message for the operator.
    pub fn because(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { why: Why::Step(reason, Some(message.into())), at: None }
    }

    pub fn reason(&self) -> Reason {
        match &self.why {
            Why::Route(NotFound::Api) => Reason::ApiNotFound,
            Why::Route(NotFound::Operation { .. }) => Reason::OperationNotFound,
            Why::Route(NotFound::Method { .. }) => Reason::MethodNotAllowed,
            Why::Route(NotFound::PathParameters | NotFound::OtherReading) => Reason::InvalidPath,
            Why::Blocked => Reason::ApiBlocked,
            Why::Authenticate(error) => error.reason(),
            Why::Authorize(error, _) => error.reason(),
            Why::Throttle(throttled) => throttled.reason(),
            Why::Step(reason, _) => *reason,
            Why::Preflight(_) => Reason::CorsPreflight,
            Why::Metadata => Reason::ResourceMetadata,
            Why::ServerOptions => Reason::ServerOptions,
        }
    }

    /// Returns the operator's message.
    pub fn message(&self) -> Option<String> {
        Some(match &self.why {
            Why::Route(not_found) => not_found.to_string(),
            Why::Blocked => "the API's lifecycle is \"blocked\"".to_owned(),
            Why::Authenticate(error) => error.to_string(),
            Why::Authorize(error, _) => error.to_string(),
            Why::Throttle(throttled) => throttled.to_string(),
            Why::Step(_, message) => return message.as_ref().map(ToString::to_string),
            Why::Preflight(_) => {
                "answered here: the API has CORS and no operation for OPTIONS".to_owned()
            }
            Why::Metadata | Why::ServerOptions => return None,
        })
    }

    /// Returns the seconds after which a new attempt makes sense, if they are known.
    pub fn retry_after(&self) -> Option<u32> {
        match &self.why {
            Why::Authenticate(
                AuthenticateError::InvalidTokens { retry_after }
                | AuthenticateError::UnknownTokens { retry_after }
                | AuthenticateError::KeysPending { retry_after, .. }
                | AuthenticateError::NotOpened {
                    why: OrganizationClosed::TooMany { retry_after },
                    ..
                },
            ) => Some(*retry_after),
            Why::Authenticate(AuthenticateError::Unanswered { retry_after, .. }) => *retry_after,
            Why::Throttle(Throttled::Limit(exceeded)) => {
                Some(u32::try_from(exceeded.retry_after()).unwrap_or(u32::MAX))
            }
            _ => None,
        }
    }

    /// Returns the key manager that judged the token, if one was found.
    pub fn judge(&self) -> Option<TokenJudge> {
        match &self.why {
            Why::Authenticate(error) => error.judge(),
            Why::Authorize(_, principal) => principal
                .as_ref()
                .map(Principal::key_manager)
                .map(Arc::clone)
                .map(TokenJudge::KeyManager),
            _ => None,
        }
    }

    pub fn api(&self) -> Option<&Arc<CompiledApi>> {
        self.at.as_ref().map(|at| &at.api)
    }

    pub fn operation(&self) -> Option<&Operation> {
        let at = self.at.as_ref()?;
        at.api.definition.operations.get(at.operation?)
    }
}

impl From<Throttled> for Refusal {
    fn from(throttled: Throttled) -> Self {
        Self { why: Why::Throttle(throttled), at: None }
    }
}

impl RefusalPlace {
    pub(super) fn of(routed: &Routed<'_>) -> Self {
        Self { api: Arc::clone(routed.api()), operation: Some(routed.position()) }
    }

    /// Refuses here.
    pub(super) fn refusal(self, why: Why) -> Refusal {
        Refusal { why, at: Some(self) }
    }
}

impl From<Refusal> for Undecided {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Undecided {
    /// Reports that a routed request has no principal.
    pub(super) fn unproven(routed: &Routed<'_>, why: impl Into<Unproven>) -> Self {
        let at = RefusalPlace::of(routed);
        match why.into() {
            Unproven::Refused(error) => Self::Refused(at.refusal(Why::Authenticate(error))),
            Unproven::Needs(question) => Self::Needs(question, at),
        }
    }

    /// Reports that a routed request has no grant.
    pub(super) fn unauthorized(
        routed: &Routed<'_>,
        error: AuthorizationError,
        principal: Option<&Principal>,
    ) -> Self {
        let why = Why::Authorize(error, principal.cloned());
        Self::Refused(RefusalPlace::of(routed).refusal(why))
    }

    /// Returns the refusal that applies if the question is not asked.
    pub fn into_refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Needs(question, at) => at.refusal(Why::Authenticate(question.unasked())),
        }
    }
}
