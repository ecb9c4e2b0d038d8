//! An API: the operations at a context and version, and the callers that it admits.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::model::backend::Backend;
use crate::model::cors::Cors;
use crate::model::gateway::ByteLimit;
use crate::model::identity::Identity;
use crate::model::names::{ApiName, ApiSlot, KeyManagerSlot, Scope, Version};
use crate::model::policy::PolicyIndex;
use crate::model::provenance::Provenance;
use crate::model::template::Template;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    pub identity: Identity,
    pub name: ApiName,
    pub version: Version,
    /// The context as written: `/accounts`, `/`, or with `{version}` inside.
    pub context: String,
    /// The path at which it is served, in normal form and without a trailing slash:
    /// `/accounts/1.0.0`. The empty string is the root.
    pub base_path: String,
    /// The base path without the version, for an API with `default_version`.
    pub default_base_path: Option<String>,
    /// The hosts; empty for any host.
    pub hosts: Vec<HostPattern>,
    /// The key managers whose tokens are accepted; empty for all.
    pub key_managers: Vec<KeyManagerSlot>,
    /// The token's `aud` must have one of these. If empty, `aud` is not checked.
    pub audiences: Vec<String>,
    pub subscription: SubscriptionRule,
    pub binding: BindingRule,
    pub refusals: RefusalMode,
    /// Whether DPoP proofs must have a nonce of the gateway.
    pub dpop_nonce: bool,
    /// The header that carries the token, in lower case.
    pub authorization_header: String,
    /// The rule for tokens in the query.
    pub query_token: QueryTokenRule,
    pub authorization: AuthorizationForwarding,
    /// True if backends get a token about the caller.
    pub backend_jwt: bool,
    pub lifecycle: Lifecycle,
    pub paths: PathRules,
    /// `None`: the value of `[limits]` applies.
    pub max_body_bytes: Option<ByteLimit>,
    pub body_stall: BodyStall,
    pub concurrency: Option<Concurrency>,
    pub policies: ApiPolicies,
    /// True if streams and upgraded connections end with their token.
    pub close_on_token_expiry: bool,
    pub cors: Option<Cors>,
    pub request_headers: HeaderRules,
    pub response_headers: HeaderRules,
    pub production: Option<Backend>,
    pub sandbox: Option<Backend>,
    pub operations: Vec<Operation>,
    pub place: Provenance,
}

impl Api {
    /// Tells whether refusals of the whole API are only observed.
    pub fn observes(&self) -> bool {
        self.refusals == RefusalMode::Observed
    }

    pub fn slot(&self) -> ApiSlot {
        ApiSlot(self.identity.slot())
    }
}

/// The consequence of a rule that refuses a request, for rules that are not about identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefusalMode {
    #[default]
    Enforced,
    /// The refusal is logged and counted, and the request is forwarded all the same.
    Observed,
}

/// The parts of paths that an API keeps although backends read them in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathRules {
    /// `%2F` and `%25` within a segment are passed on.
    pub keep_encoded_slashes: bool,
    /// `//` is not folded.
    pub keep_empty_segments: bool,
}

/// The time for which a request's body may stand still while the answer stands still too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyStall {
    /// The value of `[limits]`.
    #[default]
    Limits,
    After(Duration),
    /// No limit, for streams that may be silent.
    Never,
}

/// The number of requests of an API in flight at a time, over all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Concurrency {
    pub most: usize,
    /// The number of further requests that may wait for a place.
    pub queue: usize,
    pub queue_timeout: Duration,
}

/// The throttling policies of an API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiPolicies {
    /// The policy of the API. If it has limits, it replaces the policies of the operations.
    pub api: PolicyIndex,
    /// The policies that a subscription may choose; empty allows any.
    pub offered: Vec<PolicyIndex>,
}

/// The operator's changes of a message's headers, applied after all others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderRules {
    pub set: Vec<(HeaderName, HeaderValue)>,
    pub remove: Vec<HeaderName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub method: OperationMethod,
    pub template: Template,
    pub auth: AuthScheme,
    /// A token needs one of these; empty requires none.
    pub scopes: Vec<Scope>,
    pub policy: PolicyIndex,
    /// Like `observe` of the API, for this operation alone.
    pub observe: bool,
    pub place: Provenance,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OperationMethod {
    /// `"*"`: any method that no other operation of the same path names.
    Any,
    Exact(http::Method),
}

impl OperationMethod {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::Exact(method) => method.as_str(),
        }
    }
}

/// The authentication that an operation requires. `None` must be written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum AuthScheme {
    #[default]
    Required,
    None,
}

/// True if the token's application must be subscribed to the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionRule {
    Required,
    /// The token must be valid, but no application needs to own it.
    NotRequired,
}

/// The binding of tokens to a certificate or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingRule {
    Required,
    /// A bound token is checked all the same.
    NotRequired,
}

/// The rule for tokens in `?access_token=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryTokenRule {
    Never,
    /// Allowed in the handshakes of WebSockets, because browsers can set no header there.
    OnHandshakes,
}

/// The rule for sending the client's token to the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationForwarding {
    Remove,
    Forward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    #[default]
    Published,
    Prototyped,
    Deprecated,
    /// The API answers 503 with code 700700.
    Blocked,
    /// The API answers 404, as if it did not exist.
    Retired,
}

/// A host that an API is served under, in lower case and without a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    Exact(String),
    /// `*.bank.example`, kept as `.bank.example`: one or more labels before it.
    Below(String),
}

impl HostPattern {
    /// `host` is in lower case, without a port and without a trailing dot.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }
}
