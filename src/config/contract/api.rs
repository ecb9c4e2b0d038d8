//! `[[apis]]` with their backends and operations.

use super::{Kind, RETRY_CAUSES, TableRule, UNLIMITED, key, only};

pub(super) static API: TableRule = TableRule {
    keys: &[
        key("name", Kind::Text, "With the version, unique"),
        key("version", Kind::Text, "Part of the path"),
        key("context", Kind::Text, "Served at context and version"),
        key("default_version", Kind::Flag, "Served at the context alone, too"),
        key("hosts", Kind::Texts, "Empty: any host"),
        key("key_managers", Kind::Texts, "Empty: tokens of every key manager"),
        key("audiences", Kind::Texts, "Any of these must be in aud; empty does not check"),
        key("subscription_required", Kind::Flag, "Whether the application must be subscribed"),
        key("require_bound_token", Kind::Flag, "Only tokens bound to a certificate or key"),
        key("dpop_nonce", Kind::Flag, "DPoP proofs must carry a nonce of the gateway"),
        only(
            "policies",
            Kind::Texts,
            &["[]", "[\"Unlimited\"]"],
            "Subscription policies that may be chosen",
        ),
        only("policy", Kind::Text, UNLIMITED, "API-level policy"),
        key("authorization_header", Kind::Text, "The header that carries the token"),
        key(
            "access_token_query",
            Kind::Flag,
            "Whether handshakes of WebSockets may carry the token as ?access_token=",
        ),
        key("forward_authorization", Kind::Flag, "Whether the backend sees the token"),
        key("backend_jwt", Kind::Flag, "Whether the backend gets X-JWT-Assertion"),
        key(
            "lifecycle",
            Kind::Choice(&["published", "prototyped", "deprecated", "blocked", "retired"]),
            "Blocked answers 503, retired 404",
        ),
        key(
            "encoded_slashes",
            Kind::Choice(&["refuse", "keep"]),
            "Whether %2F and %25 within a segment are passed on",
        ),
        key("merge_slashes", Kind::Flag, "Whether doubled slashes are folded into one"),
        key("max_body_bytes", Kind::Size, "Instead of [limits]"),
        key(
            "body_stall_timeout",
            Kind::Duration,
            "Instead of [limits]; \"none\" for streams that may be silent",
        ),
        key(
            "max_concurrent_requests",
            Kind::Integer,
            "Requests in flight at a time, over all workers",
        ),
        key("max_queued_requests", Kind::Integer, "Requests that may wait for one of those places"),
        key("queue_timeout", Kind::Duration, "How long they may wait"),
        key(
            "close_on_token_expiry",
            Kind::Flag,
            "Whether streams and upgraded connections end with their token",
        ),
        key("cors", Kind::Table(&CORS), "Which pages of other origins may call"),
        key(
            "request_headers",
            Kind::Table(&HEADER_RULES),
            "Set and removed on the way to the backend",
        ),
        key("response_headers", Kind::Table(&HEADER_RULES), "Set and removed on the way back"),
        key("production", Kind::Table(&BACKEND), "Where production keys go"),
        key("sandbox", Kind::Table(&BACKEND), "Where sandbox keys go"),
        key("operations", Kind::Tables(&OPERATION), "What is served; nothing else is"),
    ],
};

static CORS: TableRule = TableRule {
    keys: &[
        key(
            "allow_origins",
            Kind::Texts,
            "\"https://app.example\", \"https://*.app.example\", or \"*\"",
        ),
        key("allow_methods", Kind::Texts, "Of the methods that the operations have"),
        key("allow_headers", Kind::Texts, "Request headers that pages may set; \"*\" for any"),
        key("expose_headers", Kind::Texts, "Response headers that pages may read"),
        key(
            "allow_credentials",
            Kind::Flag,
            "Whether cookies and certificates may be sent; never with \"*\"",
        ),
        key("max_age", Kind::Duration, "How long a browser may remember the answer"),
    ],
};

static HEADER_RULES: TableRule = TableRule {
    keys: &[
        key("set", Kind::FreeTable, "Names with their values, which replace what is there"),
        key("remove", Kind::Texts, "Names"),
    ],
};

static BACKEND: TableRule = TableRule {
    keys: &[
        key("urls", Kind::TextsOrTables(&TARGET), "Targets, which take turns"),
        key(
            "balance",
            Kind::Choice(&["round_robin", "least_requests", "consistent_hash"]),
            "Whose turn it is",
        ),
        key(
            "hash_header",
            Kind::Text,
            "For consistent_hash: the request header instead of the consumer key",
        ),
        key("failover", Kind::TextsOrTables(&TARGET), "Tried when no url is healthy"),
        key("connect_timeout", Kind::Duration, "For one connection, TLS included"),
        key("response_timeout", Kind::Duration, "To the response head"),
        key(
            "response_stall_timeout",
            Kind::Duration,
            "No byte of an answer's body, nor of its request's, for this long; or \"none\"",
        ),
        key(
            "request_timeout",
            Kind::Duration,
            "A whole exchange, to the last byte of the answer; or \"none\"",
        ),
        key("idle_connections", Kind::Integer, "Kept for each target"),
        key("preserve_host", Kind::Flag, "Whether the backend gets the client's Host"),
        key(
            "rewrite_location",
            Kind::Flag,
            "Whether a Location that names the backend is given the client's address",
        ),
        key(
            "forward_prefix",
            Kind::Flag,
            "Whether X-Forwarded-Prefix tells the context that was taken off",
        ),
        key(
            "http2",
            Kind::Choice(&["auto", "always", "never"]),
            "HTTP/2 to the backend: by ALPN, by prior knowledge, or not",
        ),
        key(
            "http2_ping_interval",
            Kind::Duration,
            "How often an HTTP/2 connection is pinged, only while something waits; or \"none\"",
        ),
        key("retries", Kind::Table(&RETRIES), "What is sent again"),
        key("health", Kind::Table(&HEALTH), "Active health checks"),
        key("eject", Kind::Table(&EJECT), "Passive ejection"),
        key(
            "panic_threshold",
            Kind::Number,
            "With a smaller share of healthy targets, health is ignored",
        ),
        key("slow_start", Kind::Duration, "How long a recovered target takes to its full share"),
        key("tls", Kind::Table(&BACKEND_TLS), "Trust for https targets"),
    ],
};

static TARGET: TableRule = TableRule {
    keys: &[
        key("url", Kind::Text, "http or https; srv+http or srv+https for SRV records"),
        key("weight", Kind::Integer, "How many of the turns: 1 to 1000"),
    ],
};

static RETRIES: TableRule = TableRule {
    keys: &[
        key("attempts", Kind::Integer, "Further tries of one request"),
        key("on", Kind::Choices(RETRY_CAUSES), "After what"),
        key("budget", Kind::Number, "Retries as a share of requests"),
    ],
};

static HEALTH: TableRule = TableRule {
    keys: &[
        key("path", Kind::Text, "Asked with GET; any 2xx or 3xx is healthy"),
        key("interval", Kind::Duration, "How often"),
        key("timeout", Kind::Duration, "For one whole check"),
        key("healthy", Kind::Integer, "Good checks in a row that bring a target back"),
        key("unhealthy", Kind::Integer, "Bad checks in a row that take it out"),
    ],
};

static EJECT: TableRule = TableRule {
    keys: &[
        key(
            "consecutive_failures",
            Kind::Integer,
            "Failures in a row: no answer, or 502, 503 or 504",
        ),
        key("for", Kind::Duration, "How long; longer each time in a row"),
        key("max_ejected", Kind::Number, "The share of targets that may be out at a time"),
    ],
};

static BACKEND_TLS: TableRule = TableRule {
    keys: &[
        key("ca", Kind::Text, "PEM: trusted beside the system's authorities"),
        key("certificate", Kind::Text, "The gateway's own, where the backend asks"),
        key("key", Kind::Text, "Its private key"),
        key("server_name", Kind::Text, "Checked instead of the host; empty is not written"),
    ],
};

static OPERATION: TableRule = TableRule {
    keys: &[
        key("method", Kind::Text, "GET, POST, ... or \"*\""),
        key("path", Kind::Text, "Below context and version: /accounts/{id}, /files/*"),
        key("auth", Kind::Choice(&["required", "none"]), "Whether a token is asked for"),
        key("scopes", Kind::Texts, "Any one of them"),
        only("policy", Kind::Text, UNLIMITED, "Operation-level policy"),
    ],
};
