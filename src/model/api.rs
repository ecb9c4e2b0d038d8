//! An API: what is exposed at a context and version, and to whom.

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
    /// As written: `/accounts`, `/`, or with `{version}` inside.
    pub context: String,
    /// Where it is served, in normal form and without a trailing slash: `/accounts/1.0.0`; the
    /// empty string is the root.
    pub base_path: String,
    /// With `default_version`: the base path without the version.
    pub default_base_path: Option<String>,
    /// Empty: any host.
    pub hosts: Vec<HostPattern>,
    /// Empty: tokens of every key manager are taken.
    pub key_managers: Vec<KeyManagerSlot>,
    /// Any of these must be in the token's `aud`; empty does not check.
    pub audiences: Vec<String>,
    pub subscription: SubscriptionRule,
    pub binding: BindingRule,
    pub refusals: RefusalMode,
    /// DPoP proofs must carry a nonce of the gateway.
    pub dpop_nonce: bool,
    /// The header that carries the token, in lower case.
    pub authorization_header: String,
    /// Whether a token may stand in the query.
    pub query_token: QueryTokenRule,
    pub authorization: AuthorizationForwarding,
    /// Whether backends are told who calls.
    pub backend_jwt: bool,
    pub lifecycle: Lifecycle,
    pub paths: PathRules,
    /// `None`: what `[limits]` says.
    pub max_body_bytes: Option<ByteLimit>,
    pub body_stall: BodyStall,
    pub concurrency: Option<Concurrency>,
    pub policies: ApiPolicies,
    /// Whether streams and upgraded connections end with their token.
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

/// What becomes of a request that a rule refuses, where that is no matter of identity.
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

/// How long a request's body may stand still while the answer does too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyStall {
    /// What `[limits]` says.
    #[default]
    Limits,
    After(Duration),
    /// For streams that may be silent.
    Never,
}

/// How many requests of an API are in flight at a time, over all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Concurrency {
    pub most: usize,
    /// How many more may wait for a place.
    pub queue: usize,
    pub queue_timeout: Duration,
}

/// The throttling policies of an API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiPolicies {
    /// One that has limits replaces those of the operations.
    pub api: PolicyIndex,
    /// Those that a subscription may choose; empty: any.
    pub offered: Vec<PolicyIndex>,
}

/// What an operator changes of a message's headers, after everything else.
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
    /// Any one of these; empty asks for none.
    pub scopes: Vec<Scope>,
    pub policy: PolicyIndex,
    /// As of the API, for this operation alone.
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

/// Whether an operation asks for a token. `None` must be written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum AuthScheme {
    #[default]
    Required,
    None,
}

/// Whether the token's application must be subscribed to the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionRule {
    Required,
    /// The token must be valid, but no application needs to own it.
    NotRequired,
}

/// Whether a token must be bound to a certificate or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingRule {
    Required,
    /// A bound token is checked all the same.
    NotRequired,
}

/// Whether `?access_token=` is a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryTokenRule {
    Never,
    /// In the handshakes of WebSockets: browsers can set no header there.
    OnHandshakes,
}

/// Whether the backend sees the client's token.
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
    /// Answered 503 with code 700700.
    Blocked,
    /// Answered 404, as if it did not exist.
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
