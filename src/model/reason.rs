//! The reasons for which exchanges end: a closed list that the access log, the metrics and
//! `explain` share. The answers to clients are in `proxy::denial`, the only table of statuses and
//! codes.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order of the walk.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name in logs and metric labels.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

reasons! {
    /// The backend's answer went to the client.
    Forwarded = "forwarded",

    // --- the request itself ---
    /// The framing, a header or the authority has more than one reading.
    InvalidRequest = "invalid_request",
    /// A request target that is longer than the gateway reads.
    TargetTooLong = "target_too_long",
    /// A version of HTTP/1 after 1.1.
    VersionRefused = "version_refused",
    /// `https://` in a request that did not come over TLS.
    Misdirected = "misdirected",
    /// The head is longer, or has more fields, than the limits allow.
    HeadTooLarge = "head_too_large",
    /// A path that is not in normal form and cannot be brought to it safely.
    InvalidPath = "invalid_path",
    /// `CONNECT` or `TRACE`.
    MethodRefused = "method_refused",
    /// `OPTIONS *`, answered here.
    ServerOptions = "server_options",
    /// An `OPTIONS` of an API with CORS, answered here.
    CorsPreflight = "cors_preflight",
    /// Protected resource metadata (RFC 9728), which clients read before they have a token;
    /// answered here.
    ResourceMetadata = "resource_metadata",
    /// The worker lags behind: the newest requests are shed.
    Overloaded = "overloaded",
    BodyTooLarge = "body_too_large",
    /// The client sent no byte of its body for too long.
    BodyStalled = "body_stalled",

    // --- route ---
    ApiNotFound = "api_not_found",
    OperationNotFound = "operation_not_found",
    MethodNotAllowed = "method_not_allowed",
    ApiBlocked = "api_blocked",

    // --- authenticate ---
    MissingCredentials = "missing_credentials",
    /// More than one token, or more than one authorization header.
    SeveralCredentials = "several_credentials",
    TokenTooLarge = "token_too_large",
    /// The token is not three parts of canonical base64url with JSON objects inside.
    TokenMalformed = "token_malformed",
    UnknownIssuer = "unknown_issuer",
    /// The API does not take tokens of this key manager.
    KeyManagerNotAllowed = "key_manager_not_allowed",
    AlgorithmRefused = "algorithm_refused",
    /// `crit` names something that must be understood and is not.
    CriticalHeader = "critical_header",
    UnknownKey = "unknown_key",
    BadSignature = "bad_signature",
    TokenExpired = "token_expired",
    TokenNotYetValid = "token_not_yet_valid",
    /// A registered claim that is missing or has the wrong type.
    InvalidClaims = "invalid_claims",
    LifetimeTooLong = "lifetime_too_long",
    TokenTypeRefused = "token_type_refused",
    /// The key manager's own audience rule.
    TokenAudience = "token_audience",
    /// The token is bound to a key or certificate that the client did not prove.
    TokenBound = "token_bound",
    TokenRevoked = "token_revoked",
    /// Too many forged tokens came from this client, so its unknown tokens are not verified for a
    /// while.
    ForgedTokens = "forged_tokens",
    /// Too many tokens came from this client that no server called active, so no server is asked
    /// about them for a while.
    UnknownTokens = "unknown_tokens",
    /// The server does not know the token as active.
    TokenInactive = "token_inactive",
    /// The server does not answer the question about the token.
    IntrospectionUnavailable = "introspection_unavailable",
    /// The API accepts only bound tokens.
    TokenNotBound = "token_not_bound",
    /// A DPoP proof that is missing, bad, or used before.
    ProofInvalid = "proof_invalid",
    /// The DPoP proof needs a nonce of the gateway.
    ProofNonce = "proof_nonce",
    /// The verdict cannot be had now: no usable keys.
    KeysUnavailable = "keys_unavailable",

    // --- authorize ---
    ConsumerKeyMissing = "consumer_key_missing",
    ConsumerKeyUnknown = "consumer_key_unknown",
    /// The application has an organization, and the token has none.
    OrganizationMissing = "organization_missing",
    /// The application has an organization, and the token is of another one.
    OrganizationMismatch = "organization_mismatch",
    NotSubscribed = "not_subscribed",
    SubscriptionBlocked = "subscription_blocked",
    SubscriptionInactive = "subscription_inactive",
    InsufficientScope = "insufficient_scope",
    /// The API's audience rule.
    AudienceRefused = "audience_refused",
    NoProductionBackend = "no_production_backend",
    NoSandboxBackend = "no_sandbox_backend",

    // --- throttle ---
    /// The API has reached `max_concurrent_requests`, and its queue is full.
    ConcurrencyLimit = "concurrency_limit",
    /// A deny condition matches the request.
    Denied = "denied",
    ApiQuota = "api_quota",
    OperationQuota = "operation_quota",
    SubscriptionQuota = "subscription_quota",
    SubscriptionBurst = "subscription_burst",
    ApplicationQuota = "application_quota",
    ApplicationBurst = "application_burst",
    /// A custom policy.
    CustomQuota = "custom_quota",
    /// The API's backend has reached its `hard_limit`.
    HardLimit = "hard_limit",
    /// The counters of all gateways cannot be reached, and the configuration refuses requests then.
    CountersUnavailable = "counters_unavailable",

    // --- forward ---
    BackendUnresolved = "backend_unresolved",
    /// The backend of a stored API leads to a network that may not be called.
    BackendDenied = "backend_denied",
    BackendRefused = "backend_refused",
    /// The gateway's machine has no descriptors, ports or memory left for a connection.
    OwnShortage = "own_shortage",
    BackendConnectTimeout = "backend_connect_timeout",
    BackendTls = "backend_tls",
    /// The response head did not come in time.
    BackendTimeout = "backend_timeout",
    /// The request exceeded its time limit.
    RequestTimeout = "request_timeout",
    /// The connection was closed or reset before a response head.
    BackendReset = "backend_reset",
    /// The backend's answer is not HTTP, or HTTP that can be read two ways.
    BackendProtocol = "backend_protocol",

    /// The backend answered an upgrade with something else than the upgrade.
    UpgradeRefused = "upgrade_refused",

    // --- endings ---
    /// The client left before it had an answer.
    ClientClosed = "client_closed",
    /// A bug: the request ended, the gateway did not.
    InternalError = "internal_error",
}

impl Reason {
    /// The number of reasons, for tables that are indexed by reason.
    pub const COUNT: usize = Self::ALL.len();

    /// The refusals that `observe = true` lets through. No refusal about a caller's identity is
    /// among them, and none that an operator aimed at one caller.
    pub const OBSERVABLE: [Self; 7] = [
        Self::TokenAudience,
        Self::TokenNotBound,
        Self::ConsumerKeyMissing,
        Self::ConsumerKeyUnknown,
        Self::NotSubscribed,
        Self::InsufficientScope,
        Self::AudienceRefused,
    ];

    /// The position in [`Reason::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}
