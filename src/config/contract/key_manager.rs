//! The keys of `[key_manager_defaults]` and `[[key_managers]]`.

use super::listener::PAIR;
use super::rule::{TableRule, ValueKind, key};
use super::words::{ALGORITHMS, CREDENTIAL_METHODS, KEY_MANAGER_TYPES, PERMISSION_TYPES};

pub(super) static KEY_MANAGER_DEFAULTS: TableRule = TableRule {
    keys: &[
        key("leeway", ValueKind::Duration, "Allowed clock skew for exp and nbf"),
        key("jwks_refresh", ValueKind::Duration, "Interval of the background refresh of key sets"),
        key(
            "jwks_min_refetch",
            ValueKind::Duration,
            "The shortest time between two fetches for an unknown kid",
        ),
        key(
            "jwks_keep_stale",
            ValueKind::Duration,
            "The time for which the last good keys are used",
        ),
        key("connect_timeout", ValueKind::Duration, "Timeout for one connection"),
        key("request_timeout", ValueKind::Duration, "Timeout for one whole document"),
        key("max_document_bytes", ValueKind::Size, "The largest document"),
        key("allow_http", ValueKind::Flag, "Allows plain http to addresses that are not loopback"),
        key("proxy", ValueKind::Text, "\"env\", \"none\" or an address"),
        key(
            "max_lifetime",
            ValueKind::Duration,
            "Refuses tokens whose exp lies further in the future; or \"none\"",
        ),
    ],
};

pub(super) static KEY_MANAGER: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique"),
        key("id", ValueKind::Text, "Its id in the REST API, a UUID; derived from its name"),
        key("display_name", ValueKind::Text, "For people"),
        key("description", ValueKind::Text, "For people"),
        key(
            "type",
            ValueKind::Choice(KEY_MANAGER_TYPES),
            "The product, which sets defaults for claims",
        ),
        key("enabled", ValueKind::Flag, "Accepts its tokens"),
        key(
            "well_known_url",
            ValueKind::Text,
            "The discovery document; fills in what the file leaves out",
        ),
        key("issuer", ValueKind::Text, "Equal to a token's iss, byte for byte"),
        key(
            "token_endpoint",
            ValueKind::Text,
            "The token endpoint, for tokens of generate-token; by default the discovery document's",
        ),
        key(
            "display_token_endpoint",
            ValueKind::Text,
            "For application developers, instead of token_endpoint",
        ),
        key("revoke_endpoint", ValueKind::Text, "For application developers"),
        key(
            "display_revoke_endpoint",
            ValueKind::Text,
            "For application developers, instead of revoke_endpoint",
        ),
        key(
            "introspection_endpoint",
            ValueKind::Text,
            "The introspection endpoint (RFC 7662); by default the discovery document's",
        ),
        key("userinfo_endpoint", ValueKind::Text, "For application developers"),
        key("authorize_endpoint", ValueKind::Text, "For application developers"),
        key(
            "client_registration_endpoint",
            ValueKind::Text,
            "The registration service; by default the discovery document's",
        ),
        key("scope_management_endpoint", ValueKind::Text, "For application developers"),
        key("certificates", ValueKind::Table(&CERTIFICATES), "The source of its keys"),
        key(
            "ca",
            ValueKind::Text,
            "PEM: trusted authorities for calls to this server, besides the system's",
        ),
        key(
            "client_certificate",
            ValueKind::Table(&PAIR),
            "The gateway's certificate, if the server asks for one",
        ),
        key("consumer_key_claim", ValueKind::Text, "The claim that holds the client"),
        key("scopes_claim", ValueKind::Text, "The claim that holds the scopes"),
        key("claim_mapping", ValueKind::FreeTable, "New names of claims in the backend JWT"),
        key("algorithms", ValueKind::Choices(ALGORITHMS), "Accepted signature algorithms"),
        key(
            "token_types",
            ValueKind::Texts,
            "Accepted typ; an empty list accepts JWT, at+jwt and none",
        ),
        key(
            "id_tokens",
            ValueKind::Choice(&["refuse", "allow"]),
            "Refuses or allows tokens that look like ID tokens",
        ),
        key("observe", ValueKind::Flag, "Logs and counts refusals, and forwards all the same"),
        key(
            "audiences",
            ValueKind::Texts,
            "One of these must be in aud; an empty list checks nothing",
        ),
        key(
            "token_validation",
            ValueKind::Choice(&["self_validate_jwt", "introspection", "both"]),
            "Validates tokens by their signature, by introspection, or by both",
        ),
        key(
            "introspect_every",
            ValueKind::Duration,
            "For \"both\": the shortest time between two introspections of one token",
        ),
        key(
            "on_introspection_failure",
            ValueKind::Choice(&["refuse", "allow"]),
            "For \"both\": refuses or allows tokens while the server cannot be reached",
        ),
        key(
            "token_handling",
            ValueKind::Tables(&TOKEN_HANDLING),
            "Chooses among key managers with one issuer",
        ),
        key(
            "organizations",
            ValueKind::Texts,
            "For an issuer with braces: their values, separated by /",
        ),
        key(
            "organization_pattern",
            ValueKind::Text,
            "A regular expression for organizations that are not listed",
        ),
        key(
            "max_organizations",
            ValueKind::Integer,
            "The most unlisted organizations whose keys are kept at a time",
        ),
        key(
            "max_new_organizations",
            ValueKind::Integer,
            "The most unlisted organizations that the server is asked about in a minute",
        ),
        key("grant_types", ValueKind::Texts, "For application developers"),
        key("token_generation", ValueKind::Flag, "The management API makes tokens for developers"),
        key(
            "oauth_app_creation",
            ValueKind::Flag,
            "The management API makes clients at the server",
        ),
        key(
            "out_of_band_provisioning",
            ValueKind::Flag,
            "The management API accepts existing clients",
        ),
        key("permissions", ValueKind::Table(&PERMISSIONS), "The roles that may make keys"),
        key(
            "credentials",
            ValueKind::Table(&CREDENTIALS),
            "The gateway's credentials for introspection and registration",
        ),
        key("registration", ValueKind::Table(&REGISTRATION), "For servers that make clients"),
        key(
            "credentials_for",
            ValueKind::Tables(&CREDENTIALS_FOR),
            "For a template: the credentials of single organizations",
        ),
        key("introspection_signed", ValueKind::Flag, "Accepts only signed answers (RFC 9701)"),
        key(
            "introspection_cache",
            ValueKind::Duration,
            "The time for which answers are cached; never beyond exp",
        ),
        key("leeway", ValueKind::Duration, "Overrides the default"),
        key("jwks_refresh", ValueKind::Duration, "Overrides the default"),
        key("jwks_min_refetch", ValueKind::Duration, "Overrides the default"),
        key("jwks_keep_stale", ValueKind::Duration, "Overrides the default"),
        key("connect_timeout", ValueKind::Duration, "Overrides the default"),
        key("request_timeout", ValueKind::Duration, "Overrides the default"),
        key("max_document_bytes", ValueKind::Size, "Overrides the default"),
        key("allow_http", ValueKind::Flag, "Overrides the default"),
        key("proxy", ValueKind::Text, "Overrides the default"),
        key("max_lifetime", ValueKind::Duration, "Overrides the default"),
    ],
};

static TOKEN_HANDLING: TableRule = TableRule {
    keys: &[
        key(
            "type",
            ValueKind::Choice(&["jwt", "reference"]),
            "The form of token that the rule is for",
        ),
        key(
            "claims",
            ValueKind::FreeTable,
            "For jwt: claims, with regular expressions for their values",
        ),
        key("pattern", ValueKind::Text, "For reference: a regular expression for the token"),
    ],
};

static CREDENTIALS_FOR: TableRule = TableRule {
    keys: &[
        key("organization", ValueKind::Text, "One of `organizations`"),
        key("file", ValueKind::Text, "A TOML file that holds its `credentials`"),
    ],
};

/// The keys of a file of `credentials_for`.
pub(in crate::config) static CREDENTIALS_FILE: TableRule = TableRule {
    keys: &[key(
        "credentials",
        ValueKind::Table(&CREDENTIALS),
        "The gateway's credentials for introspection",
    )],
};

/// The keys of `credentials`; a file of `credentials_for` may hold them without the table.
pub(in crate::config) static CREDENTIALS: TableRule = TableRule {
    keys: &[
        key(
            "method",
            ValueKind::Choice(CREDENTIAL_METHODS),
            "Client authentication; by default \"private_key_jwt\" if there is a `key`, \
             \"basic_raw\" for WSO2's types, else \"basic\"",
        ),
        key("username", ValueKind::Text, "The gateway's client id"),
        key("password", ValueKind::Secret, "The client's secret"),
        key(
            "key",
            ValueKind::Text,
            "A private key (PEM) that signs client assertions (RFC 7523), instead of a secret",
        ),
        key("key_id", ValueKind::Text, "The key's id at the server; by default its thumbprint"),
        key(
            "audience",
            ValueKind::Text,
            "The audience of the client assertion; by default the issuer",
        ),
    ],
};

static CERTIFICATES: TableRule = TableRule {
    keys: &[
        key("jwks", ValueKind::Text, "The address of a key set"),
        key("pem", ValueKind::Text, "A file with certificates or public keys"),
        key("pem_text", ValueKind::Text, "Certificates or public keys, instead of a file"),
        key("jwks_file", ValueKind::Text, "A file with a key set"),
    ],
};

static REGISTRATION: TableRule = TableRule {
    keys: &[
        key("initial_access_token", ValueKind::Secret, "The token of RFC 7591, or Okta's API key"),
        key("software_statement", ValueKind::Secret, "The statement of RFC 7591 about clients"),
    ],
};

static PERMISSIONS: TableRule = TableRule {
    keys: &[
        key("type", ValueKind::Choice(PERMISSION_TYPES), "All, some, or all but some"),
        key("roles", ValueKind::Texts, "The roles of \"allow\" and \"deny\""),
    ],
};
