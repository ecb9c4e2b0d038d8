//! `[gateway]`, `[limits]` and `[errors]`.

use super::rule::{TableRule, ValueKind, key};
use super::words::{CERTIFICATE_FORMATS, FORWARDED_HEADERS};

pub(super) static GATEWAY: TableRule = TableRule {
    keys: &[
        key(
            "state_dir",
            ValueKind::Text,
            "Where the last good key sets are kept; created if missing",
        ),
        key("workers", ValueKind::Workers, "Threads that serve clients: \"auto\" is one per core"),
        key(
            "token_cache_bytes",
            ValueKind::Size,
            "What verdicts of tokens seen before may take, over all workers; 0: none is kept",
        ),
        key(
            "drain_delay",
            ValueKind::Duration,
            "How long a stop goes on accepting after /readyz failed",
        ),
        key("drain_timeout", ValueKind::Duration, "How long a stop waits for requests in flight"),
        key(
            "reload_max_removed",
            ValueKind::Number,
            "A reload that takes away a larger share of listeners, APIs or applications must be confirmed",
        ),
        key(
            "dns_servers",
            ValueKind::Texts,
            "Who is asked for backends' names, instead of the system's servers",
        ),
        key("trusted_proxies", ValueKind::Texts, "Networks whose forwarded headers are believed"),
        key(
            "forwarded_headers",
            ValueKind::Choices(FORWARDED_HEADERS),
            "The headers that trusted_proxies overwrite: these are believed, and no others",
        ),
        key(
            "client_certificate_header",
            ValueKind::Table(&CERTIFICATE_HEADER),
            "The one header in which trusted_proxies tell of the client's certificate",
        ),
        key(
            "remove_request_headers",
            ValueKind::Texts,
            "Headers of clients that change what backends do; instead of the list that `check` shows",
        ),
        key(
            "dpop_nonce_key",
            ValueKind::Secret,
            "32 bytes, Base64: makes the nonces for DPoP proofs, one for all gateways behind a balancer",
        ),
    ],
};

static CERTIFICATE_HEADER: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Such as Client-Cert or X-Forwarded-Client-Cert"),
        key("format", ValueKind::Choice(CERTIFICATE_FORMATS), "How the certificate is written"),
    ],
};

pub(super) static LIMITS: TableRule = TableRule {
    keys: &[
        key(
            "header_timeout",
            ValueKind::Duration,
            "First byte of a connection to the end of a request head",
        ),
        key("idle_timeout", ValueKind::Duration, "Between requests of a connection"),
        key("max_header_bytes", ValueKind::Size, "A whole request head"),
        key("max_headers", ValueKind::Integer, "Header fields of a request"),
        key("max_body_bytes", ValueKind::Size, "A request's body, or \"none\""),
        key("body_stall_timeout", ValueKind::Duration, "No byte of a body for this long"),
        key("max_token_bytes", ValueKind::Size, "A bearer token"),
        key(
            "max_forged_tokens",
            ValueKind::CountOrNone,
            "Bad signatures of one client address in a minute; or \"none\"",
        ),
        key(
            "unknown_tokens",
            ValueKind::Table(&RATE),
            "Opaque tokens of one address that no server has vouched for yet",
        ),
        key("max_streams", ValueKind::Integer, "Requests at a time of one HTTP/2 connection"),
        key(
            "max_loop_delay",
            ValueKind::Duration,
            "A worker that lags behind by this much sheds new requests; or \"none\"",
        ),
    ],
};

static RATE: TableRule = TableRule {
    keys: &[
        key("requests", ValueKind::Integer, "At once, and again in each `per`"),
        key("per", ValueKind::Duration, "The time"),
    ],
};

pub(super) static ERRORS: TableRule = TableRule {
    keys: &[key("format", ValueKind::Choice(&["wso2", "problem"]), "WSO2's JSON, or RFC 9457")],
};
