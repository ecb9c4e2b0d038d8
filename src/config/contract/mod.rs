//! Every name that may be written in `gateway.toml`: the one table behind the reader, its hints and the JSON Schema.
//!
//! A key whose feature does not exist yet stands here too, as [`Support::NotYet`] or with the values that ask for
//! nothing: to support it, change its row and read it.

mod api;
mod key_manager;

use crate::model::gateway::UserRole;
use api::API;
pub(super) use key_manager::{CREDENTIALS, CREDENTIALS_FILE};
use key_manager::{KEY_MANAGER, KEY_MANAGER_DEFAULTS};

/// A table of the file.
#[derive(Debug)]
pub(super) struct TableRule {
    pub(super) keys: &'static [KeyRule],
}

#[derive(Debug)]
pub(super) struct KeyRule {
    pub(super) name: &'static str,
    pub(super) kind: ValueKind,
    pub(super) support: Support,
    pub(super) about: &'static str,
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum ValueKind {
    Text,
    Texts,
    Flag,
    Integer,
    Number,
    /// `"5s"`; some take `"none"`.
    Duration,
    /// `"64KiB"` or a number of bytes; some take `"none"`.
    Size,
    Choice(&'static [&'static str]),
    Choices(&'static [&'static str]),
    /// A number, or `"auto"`.
    Workers,
    /// A number, or `"none"`.
    CountOrNone,
    /// A text, or a table of this shape, each.
    TextsOrTables(&'static TableRule),
    Table(&'static TableRule),
    Tables(&'static TableRule),
    /// A text, or `{ env = "NAME" }`, or `{ file = "path" }`.
    Secret,
    /// Any names with text values.
    FreeTable,
}

/// Whether the feature behind a key exists.
#[derive(Debug, Clone, Copy)]
pub(super) enum Support {
    Yes,
    NotYet,
    /// Only these values, which ask for nothing; `[]` and `{}` are empty ones.
    Only(&'static [&'static str]),
}

const fn key(name: &'static str, kind: ValueKind, about: &'static str) -> KeyRule {
    KeyRule { name, kind, support: Support::Yes, about }
}

const fn later(name: &'static str, kind: ValueKind, about: &'static str) -> KeyRule {
    KeyRule { name, kind, support: Support::NotYet, about }
}

const fn only(
    name: &'static str,
    kind: ValueKind,
    values: &'static [&'static str],
    about: &'static str,
) -> KeyRule {
    KeyRule { name, kind, support: Support::Only(values), about }
}

pub(super) const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519",
];
pub(super) const CREDENTIAL_METHODS: &[&str] =
    &["basic", "basic_raw", "post", "none", "private_key_jwt"];

pub(super) const KEY_MANAGER_TYPES: &[&str] = &[
    "WSO2-IS",
    "WSO2-IS-7",
    "fsKeyManager",
    "CustomKeyManager",
    "Auth0",
    "Okta",
    "KeyCloak",
    "PingFederate",
    "Forgerock",
    "AzureAD",
    "Asgardeo",
    "Cognito",
];
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
const FORMATS: &[&str] = &["json", "text"];
pub(super) const RETRY_CAUSES: &[&str] = &["connect", "reset", "502", "503"];
const UNLIMITED: &[&str] = &["Unlimited"];

pub(super) static ROOT: TableRule = TableRule {
    keys: &[
        key(
            "include",
            ValueKind::Texts,
            "More files of this same shape; * matches within a file's name",
        ),
        key("application_files", ValueKind::Texts, "Files with one application a line, as JSON"),
        key("gateway", ValueKind::Table(&GATEWAY), "The gateway itself"),
        key("listeners", ValueKind::Tables(&LISTENER), "Where clients connect"),
        key("limits", ValueKind::Table(&LIMITS), "What one client may cost"),
        key(
            "management",
            ValueKind::Table(&MANAGEMENT),
            "The listener for health, metrics and reload",
        ),
        key("store", ValueKind::Table(&STORE), "Where what the management API creates is kept"),
        key(
            "key_manager_defaults",
            ValueKind::Table(&KEY_MANAGER_DEFAULTS),
            "What holds for every key manager",
        ),
        key(
            "key_managers",
            ValueKind::Tables(&KEY_MANAGER),
            "The authorization servers whose tokens are believed",
        ),
        key("apis", ValueKind::Tables(&API), "What is exposed"),
        key(
            "applications",
            ValueKind::Tables(&APPLICATION),
            "Who may call, with which keys and subscriptions",
        ),
        key("throttling", ValueKind::Table(&THROTTLING), "How requests are counted"),
        key("throttling_policies", ValueKind::Tables(&THROTTLING_POLICY), "Named limits"),
        key("revocation", ValueKind::Table(&REVOCATION), "How revoked tokens become known"),
        key("backend_jwt", ValueKind::Table(&BACKEND_JWT), "The token that backends get"),
        key("telemetry", ValueKind::Table(&TELEMETRY), "Logs and metrics"),
        key("errors", ValueKind::Table(&ERRORS), "How refusals are written"),
    ],
};

static GATEWAY: TableRule = TableRule {
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

const FORWARDED_HEADERS: &[&str] = &[
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "Forwarded",
];

static CERTIFICATE_HEADER: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Such as Client-Cert or X-Forwarded-Client-Cert"),
        key("format", ValueKind::Choice(CERTIFICATE_FORMATS), "How the certificate is written"),
    ],
};

pub(super) const CERTIFICATE_FORMATS: &[&str] =
    &["rfc9440", "xfcc", "pem_urlencoded", "base64_der"];

static LISTENER: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique"),
        key("address", ValueKind::Text, "IP address and port"),
        key(
            "protocols",
            ValueKind::Choices(&["h2", "http/1.1"]),
            "Offered by ALPN; without TLS, h2 means prior knowledge",
        ),
        key(
            "proxy_protocol",
            ValueKind::Choice(&["off", "optional", "required"]),
            "PROXY protocol v1 and v2",
        ),
        key("max_connections", ValueKind::Integer, "Connections over all workers"),
        key(
            "max_connections_per_address",
            ValueKind::Integer,
            "Of them, those of one client address",
        ),
        key("tls", ValueKind::Table(&LISTENER_TLS), "Certificates"),
    ],
};

static LISTENER_TLS: TableRule = TableRule {
    keys: &[
        key("certificate", ValueKind::Text, "A PEM chain, the listener's own certificate first"),
        key("key", ValueKind::Text, "Its private key, PEM"),
        key(
            "client_auth",
            ValueKind::Choice(&["none", "optional", "required"]),
            "Whether clients show a certificate",
        ),
        key("client_ca", ValueKind::Text, "Whose client certificates are believed"),
        key("sni", ValueKind::Tables(&SNI), "Other certificates by server name"),
    ],
};

static SNI: TableRule = TableRule {
    keys: &[
        key("names", ValueKind::Texts, "Server names; *.example for one label below"),
        key("certificate", ValueKind::Text, "A PEM chain"),
        key("key", ValueKind::Text, "Its private key, PEM"),
    ],
};

static LIMITS: TableRule = TableRule {
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

static MANAGEMENT: TableRule = TableRule {
    keys: &[
        key("address", ValueKind::Text, "IP address and port"),
        key("tls", ValueKind::Table(&PAIR), "Certificate and key"),
        key(
            "users",
            ValueKind::Tables(&MANAGEMENT_USER),
            "Who may revoke, and use the management API",
        ),
        key(
            "hosts",
            ValueKind::Texts,
            "Names by which it is reached, besides addresses and the machine's name",
        ),
        later("token_key_manager", ValueKind::Text, "Whose tokens the management API takes"),
    ],
};

static MANAGEMENT_USER: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique"),
        key("password_hash", ValueKind::Secret, "Argon2, as a PHC string: $argon2id$..."),
        key("roles", ValueKind::Choices(UserRole::NAMES), "What the user may do"),
    ],
};

static PAIR: TableRule = TableRule {
    keys: &[
        key("certificate", ValueKind::Text, "A PEM chain"),
        key("key", ValueKind::Text, "Its private key, PEM"),
    ],
};

static STORE: TableRule = TableRule {
    keys: &[only("url", ValueKind::Text, &["none"], "sqlite:, postgres: or \"none\"")],
};

static APPLICATION: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique"),
        key("owner", ValueKind::Text, "Who it belongs to"),
        key("organization", ValueKind::Text, "Whose tokens alone it may use"),
        only("policy", ValueKind::Text, UNLIMITED, "Application-level policy"),
        only("attributes", ValueKind::FreeTable, &["{}"], "For the backend JWT"),
        key("keys", ValueKind::Tables(&KEY), "Existing OAuth keys"),
        key("subscriptions", ValueKind::Tables(&SUBSCRIPTION), "APIs that it may call"),
    ],
};

static KEY: TableRule = TableRule {
    keys: &[
        key("type", ValueKind::Choice(&["production", "sandbox"]), "Which backend"),
        key("key_manager", ValueKind::Text, "Who issued it"),
        key("consumer_key", ValueKind::Text, "The client id"),
    ],
};

static SUBSCRIPTION: TableRule = TableRule {
    keys: &[
        key("api", ValueKind::Text, "name:version"),
        only("policy", ValueKind::Text, UNLIMITED, "Subscription-level policy"),
        key(
            "status",
            ValueKind::Choice(&[
                "unblocked",
                "blocked",
                "prod_only_blocked",
                "on_hold",
                "rejected",
            ]),
            "Whether it is in force",
        ),
    ],
};

static THROTTLING: TableRule = TableRule {
    keys: &[
        later("counters", ValueKind::Text, "\"local\" or an address of Redis"),
        later("mode", ValueKind::Choice(&["batched", "exact"]), "How counts are shared"),
        later("sync_interval", ValueKind::Duration, "How often"),
        later("on_counter_failure", ValueKind::Choice(&["local", "refuse"]), "When they cannot be"),
    ],
};

static THROTTLING_POLICY: TableRule = TableRule {
    keys: &[
        later("name", ValueKind::Text, "Unique"),
        later("requests", ValueKind::Integer, "How many"),
        later("per", ValueKind::Duration, "In which time"),
        later("burst", ValueKind::FreeTable, "Spike arrest"),
        later("bandwidth", ValueKind::Size, "Bytes in the same time"),
        later("stop_on_quota_reach", ValueKind::Flag, "Whether requests end with the quota"),
    ],
};

static REVOCATION: TableRule = TableRule {
    keys: &[
        key("notify", ValueKind::Flag, "Whether WSO2 IS may tell of revoked tokens"),
        key(
            "channel",
            ValueKind::Secret,
            "How gateways tell each other: \"none\", or an address of Redis or Valkey",
        ),
        key("ca", ValueKind::Text, "PEM: trust for the channel, beside the system's"),
        key("client_certificate", ValueKind::Table(&PAIR), "Where the channel asks for one"),
    ],
};

static BACKEND_JWT: TableRule = TableRule {
    keys: &[
        key("header", ValueKind::Text, "Where it stands"),
        key("key", ValueKind::Text, "What signs it: a private key, PEM"),
        key("previous_keys", ValueKind::Texts, "Keys that signed before, still published"),
        key("issuer", ValueKind::Text, "Its iss"),
        key("ttl", ValueKind::Duration, "How long it is good; never beyond the caller's token"),
        key(
            "encoding",
            ValueKind::Choice(&["base64url", "base64"]),
            "As RFC 7515 says, or as WSO2 does",
        ),
    ],
};

static TELEMETRY: TableRule = TableRule {
    keys: &[
        key("log", ValueKind::Table(&LOG), "What the gateway itself does"),
        key("access_log", ValueKind::Table(&ACCESS_LOG), "One line per exchange"),
        key("traces", ValueKind::Table(&TRACES), "OpenTelemetry"),
        key("metrics", ValueKind::Table(&METRICS), "Prometheus"),
    ],
};

static LOG: TableRule = TableRule {
    keys: &[
        key("level", ValueKind::Choice(LEVELS), "How much"),
        key("format", ValueKind::Choice(FORMATS), "For programs or for people"),
    ],
};

static ACCESS_LOG: TableRule = TableRule {
    keys: &[
        key("path", ValueKind::Text, "\"stdout\", \"stderr\", \"off\" or a file"),
        key("format", ValueKind::Choice(FORMATS), "For programs or for people"),
        key("sample", ValueKind::Number, "The share of lines, 0 to 1; refusals are always written"),
    ],
};

static TRACES: TableRule = TableRule {
    keys: &[
        only("otlp", ValueKind::Text, &["none"], "Where traces go"),
        later("sample", ValueKind::Number, "The share of traces"),
    ],
};

static METRICS: TableRule = TableRule {
    keys: &[
        only(
            "application_label",
            ValueKind::Flag,
            &["false"],
            "Whether requests are counted by application",
        ),
        key("max_series", ValueKind::Integer, "Of one family; the rest is \"other\""),
    ],
};

static ERRORS: TableRule = TableRule {
    keys: &[key("format", ValueKind::Choice(&["wso2", "problem"]), "WSO2's JSON, or RFC 9457")],
};
