//! The keys of `[[apis]]` with their backends and operations.

use super::rule::{TableRule, ValueKind, key};
use super::throttling::HARD_LIMIT;
use super::words::RETRY_CAUSES;

pub(super) static API: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique together with the version"),
        key("id", ValueKind::Text, "Its id in the REST API, a UUID; derived from its name"),
        key("version", ValueKind::Text, "Part of the path"),
        key("context", ValueKind::Text, "The path before the version"),
        key("default_version", ValueKind::Flag, "Serves the API at the context alone, too"),
        key("hosts", ValueKind::Texts, "Host names; an empty list serves any host"),
        key(
            "key_managers",
            ValueKind::Texts,
            "Key managers whose tokens are accepted; an empty list accepts all",
        ),
        key(
            "audiences",
            ValueKind::Texts,
            "One of these must be in aud; an empty list checks nothing",
        ),
        key(
            "subscription_required",
            ValueKind::Flag,
            "Refuses applications without a subscription",
        ),
        key(
            "require_bound_token",
            ValueKind::Flag,
            "Accepts only tokens bound to a certificate or a key",
        ),
        key("observe", ValueKind::Flag, "Logs and counts refusals, and forwards all the same"),
        key("dpop_nonce", ValueKind::Flag, "Refuses DPoP proofs without a nonce of the gateway"),
        key(
            "policies",
            ValueKind::Texts,
            "Subscription policies that applications can choose; an empty list offers all",
        ),
        key("policy", ValueKind::Text, "API-level policy, which replaces those of operations"),
        key("authorization_header", ValueKind::Text, "The header that carries the token"),
        key(
            "access_token_query",
            ValueKind::Flag,
            "Accepts the token of WebSocket handshakes as ?access_token=",
        ),
        key("forward_authorization", ValueKind::Flag, "Forwards the token to the backend"),
        key("backend_jwt", ValueKind::Flag, "Sends X-JWT-Assertion to the backend"),
        key(
            "lifecycle",
            ValueKind::Choice(&["published", "prototyped", "deprecated", "blocked", "retired"]),
            "The state of the API; blocked answers 503, retired 404",
        ),
        key(
            "encoded_slashes",
            ValueKind::Choice(&["refuse", "keep"]),
            "Forwards %2F and %25 within a segment, or refuses them",
        ),
        key("merge_slashes", ValueKind::Flag, "Merges doubled slashes into one"),
        key("max_body_bytes", ValueKind::Size, "Overrides [limits]"),
        key(
            "body_stall_timeout",
            ValueKind::Duration,
            "Overrides [limits]; \"none\" for streams that are silent for long",
        ),
        key(
            "max_concurrent_requests",
            ValueKind::Integer,
            "The most requests in flight, over all workers",
        ),
        key(
            "max_queued_requests",
            ValueKind::Integer,
            "The most requests that wait for a place in flight",
        ),
        key("queue_timeout", ValueKind::Duration, "The longest wait for a place in flight"),
        key(
            "close_on_token_expiry",
            ValueKind::Flag,
            "Ends streams and upgraded connections with their token",
        ),
        key("cors", ValueKind::Table(&CORS), "Pages of other origins that may call"),
        key(
            "request_headers",
            ValueKind::Table(&HEADER_RULES),
            "Headers set and removed on the way to the backend",
        ),
        key(
            "response_headers",
            ValueKind::Table(&HEADER_RULES),
            "Headers set and removed on the way back",
        ),
        key("production", ValueKind::Table(&BACKEND), "The backend for production keys"),
        key("sandbox", ValueKind::Table(&BACKEND), "The backend for sandbox keys"),
        key(
            "operations",
            ValueKind::Tables(&OPERATION),
            "The operations that are served, and no others",
        ),
    ],
};

static CORS: TableRule = TableRule {
    keys: &[
        key(
            "allow_origins",
            ValueKind::Texts,
            "\"https://app.example\", \"https://*.app.example\", or \"*\"",
        ),
        key(
            "allow_methods",
            ValueKind::Texts,
            "Methods that pages may use, out of those of the operations",
        ),
        key("allow_headers", ValueKind::Texts, "Request headers that pages may set; \"*\" for any"),
        key("expose_headers", ValueKind::Texts, "Response headers that pages may read"),
        key(
            "allow_credentials",
            ValueKind::Flag,
            "Allows cookies and certificates; never with \"*\"",
        ),
        key("max_age", ValueKind::Duration, "The time for which browsers cache the answer"),
    ],
};

static HEADER_RULES: TableRule = TableRule {
    keys: &[
        key("set", ValueKind::FreeTable, "Names with values, which replace existing ones"),
        key("remove", ValueKind::Texts, "Names"),
    ],
};

static BACKEND: TableRule = TableRule {
    keys: &[
        key("urls", ValueKind::TextsOrTables(&TARGET), "The addresses of the backend"),
        key(
            "balance",
            ValueKind::Choice(&["round_robin", "least_requests", "consistent_hash"]),
            "The choice of the next target",
        ),
        key(
            "hash_header",
            ValueKind::Text,
            "For consistent_hash: a request header to use instead of the consumer key",
        ),
        key(
            "failover",
            ValueKind::TextsOrTables(&TARGET),
            "Addresses to use while no target of urls is healthy",
        ),
        key("hard_limit", ValueKind::Table(&HARD_LIMIT), "The most that this backend may be sent"),
        key("connect_timeout", ValueKind::Duration, "Timeout for one connection, TLS included"),
        key("response_timeout", ValueKind::Duration, "Timeout for the response head"),
        key(
            "response_stall_timeout",
            ValueKind::Duration,
            "The longest time without a byte of the response or request body; or \"none\"",
        ),
        key(
            "request_timeout",
            ValueKind::Duration,
            "Timeout for the whole exchange, to the last byte of the response; or \"none\"",
        ),
        key(
            "idle_connections",
            ValueKind::Integer,
            "Idle connections that are kept for each target",
        ),
        key("preserve_host", ValueKind::Flag, "Sends the client's Host to the backend"),
        key(
            "rewrite_location",
            ValueKind::Flag,
            "Rewrites a Location that names the backend to the client's address",
        ),
        key("forward_prefix", ValueKind::Flag, "Sends the removed context in X-Forwarded-Prefix"),
        key(
            "http2",
            ValueKind::Choice(&["auto", "always", "never"]),
            "HTTP/2 to the backend: by ALPN, by prior knowledge, or never",
        ),
        key(
            "http2_ping_interval",
            ValueKind::Duration,
            "The interval of HTTP/2 pings while a request waits; or \"none\"",
        ),
        key("retries", ValueKind::Table(&RETRIES), "Requests that are sent again"),
        key("health", ValueKind::Table(&HEALTH), "Active health checks"),
        key("eject", ValueKind::Table(&EJECT), "Passive ejection"),
        key(
            "panic_threshold",
            ValueKind::Number,
            "Below this share of healthy targets, health is ignored",
        ),
        key(
            "slow_start",
            ValueKind::Duration,
            "The time in which a recovered target gets its full share",
        ),
        key(
            "tls",
            ValueKind::Table(&BACKEND_TLS),
            "Trusted authorities and certificate for https targets",
        ),
    ],
};

static TARGET: TableRule = TableRule {
    keys: &[
        key("url", ValueKind::Text, "http or https; srv+http or srv+https for SRV records"),
        key("weight", ValueKind::Integer, "The share of requests, 1 to 1000"),
    ],
};

static RETRIES: TableRule = TableRule {
    keys: &[
        key("attempts", ValueKind::Integer, "The most retries of one request"),
        key("on", ValueKind::Choices(RETRY_CAUSES), "The failures that are retried"),
        key("budget", ValueKind::Number, "Retries as a share of requests"),
    ],
};

static HEALTH: TableRule = TableRule {
    keys: &[
        key("path", ValueKind::Text, "Requested with GET; any 2xx or 3xx is healthy"),
        key("interval", ValueKind::Duration, "Time between two checks"),
        key("timeout", ValueKind::Duration, "Timeout for one check"),
        key("healthy", ValueKind::Integer, "Successful checks in a row that bring a target back"),
        key("unhealthy", ValueKind::Integer, "Failed checks in a row that take a target out"),
    ],
};

static EJECT: TableRule = TableRule {
    keys: &[
        key(
            "consecutive_failures",
            ValueKind::Integer,
            "Failures in a row: no answer, or 502, 503 or 504",
        ),
        key(
            "for",
            ValueKind::Duration,
            "The time that a target stays out; longer each time in a row",
        ),
        key(
            "max_ejected",
            ValueKind::Number,
            "The largest share of targets that are out at a time",
        ),
    ],
};

static BACKEND_TLS: TableRule = TableRule {
    keys: &[
        key("ca", ValueKind::Text, "PEM: trusted authorities, besides the system's"),
        key(
            "certificate",
            ValueKind::Text,
            "The gateway's certificate, if the backend asks for one",
        ),
        key("key", ValueKind::Text, "Its private key"),
        key(
            "server_name",
            ValueKind::Text,
            "The name that certificates are checked for, instead of the host; an empty string is \
             ignored",
        ),
    ],
};

static OPERATION: TableRule = TableRule {
    keys: &[
        key("method", ValueKind::Text, "GET, POST, ... or \"*\""),
        key("path", ValueKind::Text, "Below context and version: /accounts/{id}, /files/*"),
        key("auth", ValueKind::Choice(&["required", "none"]), "Asks for a token"),
        key("scopes", ValueKind::Texts, "One of these is enough"),
        key("policy", ValueKind::Text, "Operation-level policy"),
        key("observe", ValueKind::Flag, "As of the API, for this operation alone"),
    ],
};
