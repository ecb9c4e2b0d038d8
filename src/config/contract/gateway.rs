//! The keys of `[gateway]`, `[limits]` and `[errors]`.

use super::rule::{TableRule, ValueKind, key};
use super::words::{CERTIFICATE_FORMATS, FORWARDED_HEADERS};

pub(super) static GATEWAY: TableRule = TableRule {
    keys: &[
        key(
            "state_dir",
            ValueKind::Text,
            "The folder for key sets and revocations; created if missing",
        ),
        key("quarantine", ValueKind::Flag, "Reloads without what is broken, and says so"),
        key("name", ValueKind::Text, "The gateway's name among those of one store"),
        key("workers", ValueKind::Workers, "Threads that serve clients: \"auto\" is one per core"),
        key(
            "token_cache_bytes",
            ValueKind::Size,
            "The most memory for results of token validation, over all workers; 0 turns the cache \
             off",
        ),
        key(
            "drain_delay",
            ValueKind::Duration,
            "The time that a stopping gateway goes on accepting after /readyz fails",
        ),
        key(
            "drain_timeout",
            ValueKind::Duration,
            "The time that a stopping gateway waits for requests in flight",
        ),
        key(
            "reload_max_removed",
            ValueKind::Number,
            "A reload that removes a larger share of listeners, APIs or applications needs a \
             confirmation",
        ),
        key(
            "dns_servers",
            ValueKind::Texts,
            "DNS servers for names of backends, instead of the system's",
        ),
        key("trusted_proxies", ValueKind::Texts, "Networks whose forwarded headers are trusted"),
        key(
            "forwarded_headers",
            ValueKind::Choices(FORWARDED_HEADERS),
            "The headers that trusted_proxies overwrite; only these are trusted",
        ),
        key(
            "client_certificate_header",
            ValueKind::Table(&CERTIFICATE_HEADER),
            "The one header in which trusted_proxies send the client's certificate",
        ),
        key(
            "remove_request_headers",
            ValueKind::Texts,
            "Request headers to remove because backends act on them; replaces the list that \
             `check` shows",
        ),
        key(
            "dpop_nonce_key",
            ValueKind::Secret,
            "32 bytes in Base64: makes the nonces for DPoP proofs; one key for all gateways behind \
             a balancer",
        ),
    ],
};

static CERTIFICATE_HEADER: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Such as Client-Cert or X-Forwarded-Client-Cert"),
        key("format", ValueKind::Choice(CERTIFICATE_FORMATS), "The format of the certificate"),
    ],
};

pub(super) static LIMITS: TableRule = TableRule {
    keys: &[
        key(
            "header_timeout",
            ValueKind::Duration,
            "From the first byte of a connection to the end of a request head",
        ),
        key("idle_timeout", ValueKind::Duration, "Time between requests of a connection"),
        key("max_header_bytes", ValueKind::Size, "The size of a whole request head"),
        key("max_headers", ValueKind::Integer, "The number of header fields of a request"),
        key("max_body_bytes", ValueKind::Size, "The size of a request's body, or \"none\""),
        key("body_stall_timeout", ValueKind::Duration, "The time without a byte of a body"),
        key("max_token_bytes", ValueKind::Size, "The size of a bearer token"),
        key(
            "max_forged_tokens",
            ValueKind::CountOrNone,
            "Invalid signatures of one client address in a minute, or \"none\"",
        ),
        key(
            "unknown_tokens",
            ValueKind::Table(&RATE),
            "Opaque tokens of one client address that no server has confirmed yet",
        ),
        key("max_streams", ValueKind::Integer, "Concurrent requests of one HTTP/2 connection"),
        key(
            "max_loop_delay",
            ValueKind::Duration,
            "A worker that lags by this much refuses new requests; or \"none\"",
        ),
    ],
};

static RATE: TableRule = TableRule {
    keys: &[
        key("requests", ValueKind::Integer, "The number at once, and again in each `per`"),
        key("per", ValueKind::Duration, "The time in which `requests` are available again"),
    ],
};

pub(super) static ERRORS: TableRule = TableRule {
    keys: &[key("format", ValueKind::Choice(&["wso2", "problem"]), "WSO2's JSON, or RFC 9457")],
};
