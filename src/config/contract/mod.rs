//! Every name that may be written in `gateway.toml`: the one table behind the reader, its hints and the JSON Schema.
//!
//! A key whose feature does not exist yet stands here too, as [`Support::NotYet`] or with the values that ask for
//! nothing: to support it, change its row and read it.

mod api;

use api::API;

/// A table of the file.
#[derive(Debug)]
pub(super) struct TableRule {
    pub(super) keys: &'static [KeyRule],
}

#[derive(Debug)]
pub(super) struct KeyRule {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) support: Support,
    pub(super) about: &'static str,
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
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

const fn key(name: &'static str, kind: Kind, about: &'static str) -> KeyRule {
    KeyRule { name, kind, support: Support::Yes, about }
}

const fn later(name: &'static str, kind: Kind, about: &'static str) -> KeyRule {
    KeyRule { name, kind, support: Support::NotYet, about }
}

const fn only(
    name: &'static str,
    kind: Kind,
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
            Kind::Texts,
            "More files of this same shape; * matches within a file's name",
        ),
        key("application_files", Kind::Texts, "Files with one application a line, as JSON"),
        key("gateway", Kind::Table(&GATEWAY), "The gateway itself"),
        key("listeners", Kind::Tables(&LISTENER), "Where clients connect"),
        key("limits", Kind::Table(&LIMITS), "What one client may cost"),
        key("management", Kind::Table(&MANAGEMENT), "The listener for health, metrics and reload"),
        key("store", Kind::Table(&STORE), "Where what the management API creates is kept"),
        key(
            "key_manager_defaults",
            Kind::Table(&KEY_MANAGER_DEFAULTS),
            "What holds for every key manager",
        ),
        key(
            "key_managers",
            Kind::Tables(&KEY_MANAGER),
            "The authorization servers whose tokens are believed",
        ),
        key("apis", Kind::Tables(&API), "What is exposed"),
        key(
            "applications",
            Kind::Tables(&APPLICATION),
            "Who may call, with which keys and subscriptions",
        ),
        key("throttling", Kind::Table(&THROTTLING), "How requests are counted"),
        key("throttling_policies", Kind::Tables(&THROTTLING_POLICY), "Named limits"),
        key("revocation", Kind::Table(&REVOCATION), "How revoked tokens become known"),
        key("backend_jwt", Kind::Table(&BACKEND_JWT), "The token that backends get"),
        key("telemetry", Kind::Table(&TELEMETRY), "Logs and metrics"),
        key("errors", Kind::Table(&ERRORS), "How refusals are written"),
    ],
};

static GATEWAY: TableRule = TableRule {
    keys: &[
        key("state_dir", Kind::Text, "Where the last good key sets are kept; created if missing"),
        key("workers", Kind::Workers, "Threads that serve clients: \"auto\" is one per core"),
        key(
            "token_cache_bytes",
            Kind::Size,
            "What verdicts of tokens seen before may take, over all workers; 0: none is kept",
        ),
        key(
            "drain_delay",
            Kind::Duration,
            "How long a stop goes on accepting after /readyz failed",
        ),
        key("drain_timeout", Kind::Duration, "How long a stop waits for requests in flight"),
        key(
            "reload_max_removed",
            Kind::Number,
            "A reload that takes away a larger share of listeners, APIs or applications must be confirmed",
        ),
        key(
            "dns_servers",
            Kind::Texts,
            "Who is asked for backends' names, instead of the system's servers",
        ),
        key("trusted_proxies", Kind::Texts, "Networks whose forwarded headers are believed"),
        key(
            "forwarded_headers",
            Kind::Choices(FORWARDED_HEADERS),
            "The headers that trusted_proxies overwrite: these are believed, and no others",
        ),
        key(
            "client_certificate_header",
            Kind::Table(&CERTIFICATE_HEADER),
            "The one header in which trusted_proxies tell of the client's certificate",
        ),
        key(
            "remove_request_headers",
            Kind::Texts,
            "Headers of clients that change what backends do; instead of the list that `check` shows",
        ),
        key(
            "dpop_nonce_key",
            Kind::Secret,
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
        key("name", Kind::Text, "Such as Client-Cert or X-Forwarded-Client-Cert"),
        key("format", Kind::Choice(CERTIFICATE_FORMATS), "How the certificate is written"),
    ],
};

pub(super) const CERTIFICATE_FORMATS: &[&str] =
    &["rfc9440", "xfcc", "pem_urlencoded", "base64_der"];

static LISTENER: TableRule = TableRule {
    keys: &[
        key("name", Kind::Text, "Unique"),
        key("address", Kind::Text, "IP address and port"),
        key(
            "protocols",
            Kind::Choices(&["h2", "http/1.1"]),
            "Offered by ALPN; without TLS, h2 means prior knowledge",
        ),
        key(
            "proxy_protocol",
            Kind::Choice(&["off", "optional", "required"]),
            "PROXY protocol v1 and v2",
        ),
        key("max_connections", Kind::Integer, "Connections over all workers"),
        key("max_connections_per_address", Kind::Integer, "Of them, those of one client address"),
        key("tls", Kind::Table(&LISTENER_TLS), "Certificates"),
    ],
};

static LISTENER_TLS: TableRule = TableRule {
    keys: &[
        key("certificate", Kind::Text, "A PEM chain, the listener's own certificate first"),
        key("key", Kind::Text, "Its private key, PEM"),
        key(
            "client_auth",
            Kind::Choice(&["none", "optional", "required"]),
            "Whether clients show a certificate",
        ),
        key("client_ca", Kind::Text, "Whose client certificates are believed"),
        key("sni", Kind::Tables(&SNI), "Other certificates by server name"),
    ],
};

static SNI: TableRule = TableRule {
    keys: &[
        key("names", Kind::Texts, "Server names; *.example for one label below"),
        key("certificate", Kind::Text, "A PEM chain"),
        key("key", Kind::Text, "Its private key, PEM"),
    ],
};

static LIMITS: TableRule = TableRule {
    keys: &[
        key(
            "header_timeout",
            Kind::Duration,
            "First byte of a connection to the end of a request head",
        ),
        key("idle_timeout", Kind::Duration, "Between requests of a connection"),
        key("max_header_bytes", Kind::Size, "A whole request head"),
        key("max_headers", Kind::Integer, "Header fields of a request"),
        key("max_body_bytes", Kind::Size, "A request's body, or \"none\""),
        key("body_stall_timeout", Kind::Duration, "No byte of a body for this long"),
        key("max_token_bytes", Kind::Size, "A bearer token"),
        key(
            "max_forged_tokens",
            Kind::CountOrNone,
            "Bad signatures of one client address in a minute; or \"none\"",
        ),
        key(
            "unknown_tokens",
            Kind::Table(&RATE),
            "Opaque tokens of one address that no server has vouched for yet",
        ),
        key("max_streams", Kind::Integer, "Requests at a time of one HTTP/2 connection"),
        key(
            "max_loop_delay",
            Kind::Duration,
            "A worker that lags behind by this much sheds new requests; or \"none\"",
        ),
    ],
};

static RATE: TableRule = TableRule {
    keys: &[
        key("requests", Kind::Integer, "At once, and again in each `per`"),
        key("per", Kind::Duration, "The time"),
    ],
};

static MANAGEMENT: TableRule = TableRule {
    keys: &[
        key("address", Kind::Text, "IP address and port"),
        key("tls", Kind::Table(&PAIR), "Certificate and key"),
        key("users", Kind::Tables(&MANAGEMENT_USER), "Who may revoke, and use the management API"),
        later("token_key_manager", Kind::Text, "Whose tokens the management API takes"),
    ],
};

static MANAGEMENT_USER: TableRule = TableRule {
    keys: &[
        key("name", Kind::Text, "Unique"),
        key("password_hash", Kind::Secret, "Argon2, as a PHC string: $argon2id$..."),
        key("roles", Kind::Texts, "For the management API"),
    ],
};

static PAIR: TableRule = TableRule {
    keys: &[
        key("certificate", Kind::Text, "A PEM chain"),
        key("key", Kind::Text, "Its private key, PEM"),
    ],
};

static STORE: TableRule =
    TableRule { keys: &[only("url", Kind::Text, &["none"], "sqlite:, postgres: or \"none\"")] };

static KEY_MANAGER_DEFAULTS: TableRule = TableRule {
    keys: &[
        key("leeway", Kind::Duration, "Clock skew on exp and nbf"),
        key("jwks_refresh", Kind::Duration, "Background refresh of key sets"),
        key("jwks_min_refetch", Kind::Duration, "An unknown kid refetches at most this often"),
        key("jwks_keep_stale", Kind::Duration, "How long the last good keys are used"),
        key("connect_timeout", Kind::Duration, "For one connection"),
        key("request_timeout", Kind::Duration, "For one whole document"),
        key("max_document_bytes", Kind::Size, "The largest document"),
        key("allow_http", Kind::Flag, "Plain http to addresses that are not loopback"),
        key("proxy", Kind::Text, "\"env\", \"none\" or an address"),
        key(
            "max_lifetime",
            Kind::Duration,
            "Refuse tokens whose exp lies further ahead, or \"none\"",
        ),
    ],
};

static KEY_MANAGER: TableRule = TableRule {
    keys: &[
        key("name", Kind::Text, "Unique"),
        key("display_name", Kind::Text, "For people"),
        key("description", Kind::Text, "For people"),
        key("type", Kind::Choice(KEY_MANAGER_TYPES), "Sets the claim defaults"),
        key("enabled", Kind::Flag, "Whether its tokens are taken"),
        key("well_known_url", Kind::Text, "The discovery document; fills what is not written"),
        key("issuer", Kind::Text, "Equal, byte for byte, to a token's iss"),
        key("token_endpoint", Kind::Text, "Shown to application developers"),
        key("display_token_endpoint", Kind::Text, "Shown instead"),
        key("revoke_endpoint", Kind::Text, "Shown to application developers"),
        key("display_revoke_endpoint", Kind::Text, "Shown instead"),
        key("introspection_endpoint", Kind::Text, "Shown to application developers"),
        key("userinfo_endpoint", Kind::Text, "Shown to application developers"),
        key("authorize_endpoint", Kind::Text, "Shown to application developers"),
        key("client_registration_endpoint", Kind::Text, "Shown to application developers"),
        key("scope_management_endpoint", Kind::Text, "Shown to application developers"),
        key("certificates", Kind::Table(&CERTIFICATES), "Where the keys come from"),
        key("ca", Kind::Text, "PEM: trust for calls to this server, beside the system's"),
        key("client_certificate", Kind::Table(&PAIR), "Where the server asks for one"),
        key("consumer_key_claim", Kind::Text, "The claim that holds the client"),
        key("scopes_claim", Kind::Text, "The claim that holds the scopes"),
        key("claim_mapping", Kind::FreeTable, "Claims renamed for the backend JWT"),
        key("algorithms", Kind::Choices(ALGORITHMS), "Accepted signature algorithms"),
        key("token_types", Kind::Texts, "Accepted typ; empty accepts JWT, at+jwt and none"),
        key(
            "id_tokens",
            Kind::Choice(&["refuse", "allow"]),
            "What becomes of tokens that look like ID tokens",
        ),
        key("audiences", Kind::Texts, "Any of these must be in aud; empty does not check"),
        key(
            "token_validation",
            Kind::Choice(&["self_validate_jwt", "introspection", "both"]),
            "How tokens are judged: here, by their server, or here and by their server now and then",
        ),
        key(
            "introspect_every",
            Kind::Duration,
            "For \"both\": the server is asked about each token at most once in this time",
        ),
        key(
            "on_introspection_failure",
            Kind::Choice(&["refuse", "allow"]),
            "For \"both\": what becomes of good signatures while the server cannot be asked",
        ),
        key(
            "token_handling",
            Kind::Tables(&TOKEN_HANDLING),
            "Picks among key managers with one issuer",
        ),
        key(
            "organizations",
            Kind::Texts,
            "For an issuer with braces: what they stand for, separated by /",
        ),
        key(
            "organization_pattern",
            Kind::Text,
            "A regular expression: which organisations are taken that are not listed",
        ),
        key("max_organizations", Kind::Integer, "Of them, those whose keys are kept at a time"),
        key(
            "max_new_organizations",
            Kind::Integer,
            "Of them, those that the server is newly asked about in a minute",
        ),
        key("grant_types", Kind::Texts, "Shown to application developers"),
        only("token_generation", Kind::Flag, &["false"], "Whether tokens are made for developers"),
        only(
            "oauth_app_creation",
            Kind::Flag,
            &["false"],
            "Whether clients are made for developers",
        ),
        only(
            "out_of_band_provisioning",
            Kind::Flag,
            &["true"],
            "Whether existing keys may be provided",
        ),
        only(
            "permissions",
            Kind::Table(&PERMISSIONS),
            &["{ type = \"public\" }"],
            "Who may make keys",
        ),
        key("credentials", Kind::Table(&CREDENTIALS), "For introspection"),
        key(
            "credentials_for",
            Kind::Tables(&CREDENTIALS_FOR),
            "Of a template: the credentials of single organizations",
        ),
        key("introspection_signed", Kind::Flag, "Only signed answers are believed (RFC 9701)"),
        key("introspection_cache", Kind::Duration, "How long answers are kept; never beyond exp"),
        key("leeway", Kind::Duration, "Instead of the default"),
        key("jwks_refresh", Kind::Duration, "Instead of the default"),
        key("jwks_min_refetch", Kind::Duration, "Instead of the default"),
        key("jwks_keep_stale", Kind::Duration, "Instead of the default"),
        key("connect_timeout", Kind::Duration, "Instead of the default"),
        key("request_timeout", Kind::Duration, "Instead of the default"),
        key("max_document_bytes", Kind::Size, "Instead of the default"),
        key("allow_http", Kind::Flag, "Instead of the default"),
        key("proxy", Kind::Text, "Instead of the default"),
        key("max_lifetime", Kind::Duration, "Instead of the default"),
    ],
};

static TOKEN_HANDLING: TableRule = TableRule {
    keys: &[
        key("type", Kind::Choice(&["jwt", "reference"]), "Which form of token"),
        key(
            "claims",
            Kind::FreeTable,
            "For jwt: claims with regular expressions that their values match",
        ),
        key("pattern", Kind::Text, "For reference: a regular expression that the token matches"),
    ],
};

static CREDENTIALS_FOR: TableRule = TableRule {
    keys: &[
        key("organization", Kind::Text, "One of `organizations`"),
        key("file", Kind::Text, "A TOML file that holds its `credentials`"),
    ],
};

/// A file of `credentials_for`: the table by its name.
pub(super) static CREDENTIALS_FILE: TableRule =
    TableRule { keys: &[key("credentials", Kind::Table(&CREDENTIALS), "For introspection")] };

/// The credentials of one key manager; a file of `credentials_for` may hold the keys alone.
pub(super) static CREDENTIALS: TableRule = TableRule {
    keys: &[
        key(
            "method",
            Kind::Choice(CREDENTIAL_METHODS),
            "How the gateway authenticates; by default \"basic_raw\" for WSO2's types, else \"basic\", and \"private_key_jwt\" with `key`",
        ),
        key("username", Kind::Text, "The gateway's client id"),
        key("password", Kind::Secret, "Its secret"),
        key(
            "key",
            Kind::Text,
            "Instead of a secret: a private key, PEM, that signs client assertions (RFC 7523)",
        ),
        key("key_id", Kind::Text, "The key's name at the server; else its thumbprint"),
        key("audience", Kind::Text, "The audience of the client assertion; else the issuer"),
    ],
};

static CERTIFICATES: TableRule = TableRule {
    keys: &[
        key("jwks", Kind::Text, "The address of a key set"),
        key("pem", Kind::Text, "A file with certificates or public keys"),
        key("jwks_file", Kind::Text, "A file with a key set"),
    ],
};

static PERMISSIONS: TableRule = TableRule {
    keys: &[
        only("type", Kind::Choice(&["public", "allow", "deny"]), &["public"], "Who"),
        later("roles", Kind::Texts, "Roles"),
    ],
};

static APPLICATION: TableRule = TableRule {
    keys: &[
        key("name", Kind::Text, "Unique"),
        key("owner", Kind::Text, "Who it belongs to"),
        key("organization", Kind::Text, "Whose tokens alone it may use"),
        only("policy", Kind::Text, UNLIMITED, "Application-level policy"),
        only("attributes", Kind::FreeTable, &["{}"], "For the backend JWT"),
        key("keys", Kind::Tables(&KEY), "Existing OAuth keys"),
        key("subscriptions", Kind::Tables(&SUBSCRIPTION), "APIs that it may call"),
    ],
};

static KEY: TableRule = TableRule {
    keys: &[
        key("type", Kind::Choice(&["production", "sandbox"]), "Which backend"),
        key("key_manager", Kind::Text, "Who issued it"),
        key("consumer_key", Kind::Text, "The client id"),
    ],
};

static SUBSCRIPTION: TableRule = TableRule {
    keys: &[
        key("api", Kind::Text, "name:version"),
        only("policy", Kind::Text, UNLIMITED, "Subscription-level policy"),
        key(
            "status",
            Kind::Choice(&["unblocked", "blocked", "prod_only_blocked", "on_hold", "rejected"]),
            "Whether it is in force",
        ),
    ],
};

static THROTTLING: TableRule = TableRule {
    keys: &[
        later("counters", Kind::Text, "\"local\" or an address of Redis"),
        later("mode", Kind::Choice(&["batched", "exact"]), "How counts are shared"),
        later("sync_interval", Kind::Duration, "How often"),
        later("on_counter_failure", Kind::Choice(&["local", "refuse"]), "When they cannot be"),
    ],
};

static THROTTLING_POLICY: TableRule = TableRule {
    keys: &[
        later("name", Kind::Text, "Unique"),
        later("requests", Kind::Integer, "How many"),
        later("per", Kind::Duration, "In which time"),
        later("burst", Kind::FreeTable, "Spike arrest"),
        later("bandwidth", Kind::Size, "Bytes in the same time"),
        later("stop_on_quota_reach", Kind::Flag, "Whether requests end with the quota"),
    ],
};

static REVOCATION: TableRule = TableRule {
    keys: &[
        key("notify", Kind::Flag, "Whether WSO2 IS may tell of revoked tokens"),
        key(
            "channel",
            Kind::Secret,
            "How gateways tell each other: \"none\", or an address of Redis or Valkey",
        ),
        key("ca", Kind::Text, "PEM: trust for the channel, beside the system's"),
        key("client_certificate", Kind::Table(&PAIR), "Where the channel asks for one"),
    ],
};

static BACKEND_JWT: TableRule = TableRule {
    keys: &[
        key("header", Kind::Text, "Where it stands"),
        key("key", Kind::Text, "What signs it: a private key, PEM"),
        key("previous_keys", Kind::Texts, "Keys that signed before, still published"),
        key("issuer", Kind::Text, "Its iss"),
        key("ttl", Kind::Duration, "How long it is good; never beyond the caller's token"),
        key(
            "encoding",
            Kind::Choice(&["base64url", "base64"]),
            "As RFC 7515 says, or as WSO2 does",
        ),
    ],
};

static TELEMETRY: TableRule = TableRule {
    keys: &[
        key("log", Kind::Table(&LOG), "What the gateway itself does"),
        key("access_log", Kind::Table(&ACCESS_LOG), "One line per exchange"),
        key("traces", Kind::Table(&TRACES), "OpenTelemetry"),
        key("metrics", Kind::Table(&METRICS), "Prometheus"),
    ],
};

static LOG: TableRule = TableRule {
    keys: &[
        key("level", Kind::Choice(LEVELS), "How much"),
        key("format", Kind::Choice(FORMATS), "For programs or for people"),
    ],
};

static ACCESS_LOG: TableRule = TableRule {
    keys: &[
        key("path", Kind::Text, "\"stdout\", \"stderr\", \"off\" or a file"),
        key("format", Kind::Choice(FORMATS), "For programs or for people"),
        key("sample", Kind::Number, "The share of lines, 0 to 1; refusals are always written"),
    ],
};

static TRACES: TableRule = TableRule {
    keys: &[
        only("otlp", Kind::Text, &["none"], "Where traces go"),
        later("sample", Kind::Number, "The share of traces"),
    ],
};

static METRICS: TableRule = TableRule {
    keys: &[
        only(
            "application_label",
            Kind::Flag,
            &["false"],
            "Whether requests are counted by application",
        ),
        key("max_series", Kind::Integer, "Of one family; the rest is \"other\""),
    ],
};

static ERRORS: TableRule = TableRule {
    keys: &[key("format", Kind::Choice(&["wso2", "problem"]), "WSO2's JSON, or RFC 9457")],
};
