//! `[[apis]]` with their backends and operations.

use super::rule::{TableRule, ValueKind, key, only};
use super::words::{RETRY_CAUSES, UNLIMITED};

pub(super) static API: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "With the version, unique"),
        key("version", ValueKind::Text, "Part of the path"),
        key("context", ValueKind::Text, "Served at context and version"),
        key("default_version", ValueKind::Flag, "Served at the context alone, too"),
        key("hosts", ValueKind::Texts, "Empty: any host"),
        key("key_managers", ValueKind::Texts, "Empty: tokens of every key manager"),
        key("audiences", ValueKind::Texts, "Any of these must be in aud; empty does not check"),
        key("subscription_required", ValueKind::Flag, "Whether the application must be subscribed"),
        key("require_bound_token", ValueKind::Flag, "Only tokens bound to a certificate or key"),
        key("dpop_nonce", ValueKind::Flag, "DPoP proofs must carry a nonce of the gateway"),
        only(
            "policies",
            ValueKind::Texts,
            &["[]", "[\"Unlimited\"]"],
            "Subscription policies that may be chosen",
        ),
        only("policy", ValueKind::Text, UNLIMITED, "API-level policy"),
        key("authorization_header", ValueKind::Text, "The header that carries the token"),
        key(
            "access_token_query",
            ValueKind::Flag,
            "Whether handshakes of WebSockets may carry the token as ?access_token=",
        ),
        key("forward_authorization", ValueKind::Flag, "Whether the backend sees the token"),
        key("backend_jwt", ValueKind::Flag, "Whether the backend gets X-JWT-Assertion"),
        key(
            "lifecycle",
            ValueKind::Choice(&["published", "prototyped", "deprecated", "blocked", "retired"]),
            "Blocked answers 503, retired 404",
        ),
        key(
            "encoded_slashes",
            ValueKind::Choice(&["refuse", "keep"]),
            "Whether %2F and %25 within a segment are passed on",
        ),
        key("merge_slashes", ValueKind::Flag, "Whether doubled slashes are folded into one"),
        key("max_body_bytes", ValueKind::Size, "Instead of [limits]"),
        key(
            "body_stall_timeout",
            ValueKind::Duration,
            "Instead of [limits]; \"none\" for streams that may be silent",
        ),
        key(
            "max_concurrent_requests",
            ValueKind::Integer,
            "Requests in flight at a time, over all workers",
        ),
        key(
            "max_queued_requests",
            ValueKind::Integer,
            "Requests that may wait for one of those places",
        ),
        key("queue_timeout", ValueKind::Duration, "How long they may wait"),
        key(
            "close_on_token_expiry",
            ValueKind::Flag,
            "Whether streams and upgraded connections end with their token",
        ),
        key("cors", ValueKind::Table(&CORS), "Which pages of other origins may call"),
        key(
            "request_headers",
            ValueKind::Table(&HEADER_RULES),
            "Set and removed on the way to the backend",
        ),
        key("response_headers", ValueKind::Table(&HEADER_RULES), "Set and removed on the way back"),
        key("production", ValueKind::Table(&BACKEND), "Where production keys go"),
        key("sandbox", ValueKind::Table(&BACKEND), "Where sandbox keys go"),
        key("operations", ValueKind::Tables(&OPERATION), "What is served; nothing else is"),
    ],
};

static CORS: TableRule = TableRule {
    keys: &[
        key(
            "allow_origins",
            ValueKind::Texts,
            "\"https://app.example\", \"https://*.app.example\", or \"*\"",
        ),
        key("allow_methods", ValueKind::Texts, "Of the methods that the operations have"),
        key("allow_headers", ValueKind::Texts, "Request headers that pages may set; \"*\" for any"),
        key("expose_headers", ValueKind::Texts, "Response headers that pages may read"),
        key(
            "allow_credentials",
            ValueKind::Flag,
            "Whether cookies and certificates may be sent; never with \"*\"",
        ),
        key("max_age", ValueKind::Duration, "How long a browser may remember the answer"),
    ],
};

static HEADER_RULES: TableRule = TableRule {
    keys: &[
        key("set", ValueKind::FreeTable, "Names with their values, which replace what is there"),
        key("remove", ValueKind::Texts, "Names"),
    ],
};

static BACKEND: TableRule = TableRule {
    keys: &[
        key("urls", ValueKind::TextsOrTables(&TARGET), "Targets, which take turns"),
        key(
            "balance",
            ValueKind::Choice(&["round_robin", "least_requests", "consistent_hash"]),
            "Whose turn it is",
        ),
        key(
            "hash_header",
            ValueKind::Text,
            "For consistent_hash: the request header instead of the consumer key",
        ),
        key("failover", ValueKind::TextsOrTables(&TARGET), "Tried when no url is healthy"),
        key("connect_timeout", ValueKind::Duration, "For one connection, TLS included"),
        key("response_timeout", ValueKind::Duration, "To the response head"),
        key(
            "response_stall_timeout",
            ValueKind::Duration,
            "No byte of an answer's body, nor of its request's, for this long; or \"none\"",
        ),
        key(
            "request_timeout",
            ValueKind::Duration,
            "A whole exchange, to the last byte of the answer; or \"none\"",
        ),
        key("idle_connections", ValueKind::Integer, "Kept for each target"),
        key("preserve_host", ValueKind::Flag, "Whether the backend gets the client's Host"),
        key(
            "rewrite_location",
            ValueKind::Flag,
            "Whether a Location that names the backend is given the client's address",
        ),
        key(
            "forward_prefix",
            ValueKind::Flag,
            "Whether X-Forwarded-Prefix tells the context that was taken off",
        ),
        key(
            "http2",
            ValueKind::Choice(&["auto", "always", "never"]),
            "HTTP/2 to the backend: by ALPN, by prior knowledge, or not",
        ),
        key(
            "http2_ping_interval",
            ValueKind::Duration,
            "How often an HTTP/2 connection is pinged, only while something waits; or \"none\"",
        ),
        key("retries", ValueKind::Table(&RETRIES), "What is sent again"),
        key("health", ValueKind::Table(&HEALTH), "Active health checks"),
        key("eject", ValueKind::Table(&EJECT), "Passive ejection"),
        key(
            "panic_threshold",
            ValueKind::Number,
            "With a smaller share of healthy targets, health is ignored",
        ),
        key(
            "slow_start",
            ValueKind::Duration,
            "How long a recovered target takes to its full share",
        ),
        key("tls", ValueKind::Table(&BACKEND_TLS), "Trust for https targets"),
    ],
};

static TARGET: TableRule = TableRule {
    keys: &[
        key("url", ValueKind::Text, "http or https; srv+http or srv+https for SRV records"),
        key("weight", ValueKind::Integer, "How many of the turns: 1 to 1000"),
    ],
};

static RETRIES: TableRule = TableRule {
    keys: &[
        key("attempts", ValueKind::Integer, "Further tries of one request"),
        key("on", ValueKind::Choices(RETRY_CAUSES), "After what"),
        key("budget", ValueKind::Number, "Retries as a share of requests"),
    ],
};

static HEALTH: TableRule = TableRule {
    keys: &[
        key("path", ValueKind::Text, "Asked with GET; any 2xx or 3xx is healthy"),
        key("interval", ValueKind::Duration, "How often"),
        key("timeout", ValueKind::Duration, "For one whole check"),
        key("healthy", ValueKind::Integer, "Good checks in a row that bring a target back"),
        key("unhealthy", ValueKind::Integer, "Bad checks in a row that take it out"),
    ],
};

static EJECT: TableRule = TableRule {
    keys: &[
        key(
            "consecutive_failures",
            ValueKind::Integer,
            "Failures in a row: no answer, or 502, 503 or 504",
        ),
        key("for", ValueKind::Duration, "How long; longer each time in a row"),
        key("max_ejected", ValueKind::Number, "The share of targets that may be out at a time"),
    ],
};

static BACKEND_TLS: TableRule = TableRule {
    keys: &[
        key("ca", ValueKind::Text, "PEM: trusted beside the system's authorities"),
        key("certificate", ValueKind::Text, "The gateway's own, where the backend asks"),
        key("key", ValueKind::Text, "Its private key"),
        key("server_name", ValueKind::Text, "Checked instead of the host; empty is not written"),
    ],
};

static OPERATION: TableRule = TableRule {
    keys: &[
        key("method", ValueKind::Text, "GET, POST, ... or \"*\""),
        key("path", ValueKind::Text, "Below context and version: /accounts/{id}, /files/*"),
        key("auth", ValueKind::Choice(&["required", "none"]), "Whether a token is asked for"),
        key("scopes", ValueKind::Texts, "Any one of them"),
        only("policy", ValueKind::Text, UNLIMITED, "Operation-level policy"),
    ],
};
