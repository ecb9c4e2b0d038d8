//! `[key_manager_defaults]` and `[[key_managers]]`.

use super::listener::PAIR;
use super::rule::{TableRule, ValueKind, key, later, only};
use super::words::{ALGORITHMS, CREDENTIAL_METHODS, KEY_MANAGER_TYPES};

pub(super) static KEY_MANAGER_DEFAULTS: TableRule = TableRule {
    keys: &[
        key("leeway", ValueKind::Duration, "Clock skew on exp and nbf"),
        key("jwks_refresh", ValueKind::Duration, "Background refresh of key sets"),
        key("jwks_min_refetch", ValueKind::Duration, "An unknown kid refetches at most this often"),
        key("jwks_keep_stale", ValueKind::Duration, "How long the last good keys are used"),
        key("connect_timeout", ValueKind::Duration, "For one connection"),
        key("request_timeout", ValueKind::Duration, "For one whole document"),
        key("max_document_bytes", ValueKind::Size, "The largest document"),
        key("allow_http", ValueKind::Flag, "Plain http to addresses that are not loopback"),
        key("proxy", ValueKind::Text, "\"env\", \"none\" or an address"),
        key(
            "max_lifetime",
            ValueKind::Duration,
            "Refuse tokens whose exp lies further ahead, or \"none\"",
        ),
    ],
};

pub(super) static KEY_MANAGER: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique"),
        key("display_name", ValueKind::Text, "For people"),
        key("description", ValueKind::Text, "For people"),
        key("type", ValueKind::Choice(KEY_MANAGER_TYPES), "Sets the claim defaults"),
        key("enabled", ValueKind::Flag, "Whether its tokens are taken"),
        key("well_known_url", ValueKind::Text, "The discovery document; fills what is not written"),
        key("issuer", ValueKind::Text, "Equal, byte for byte, to a token's iss"),
        key("token_endpoint", ValueKind::Text, "For application developers"),
        key("display_token_endpoint", ValueKind::Text, "For application developers, instead"),
        key("revoke_endpoint", ValueKind::Text, "For application developers"),
        key("display_revoke_endpoint", ValueKind::Text, "For application developers, instead"),
        key(
            "introspection_endpoint",
            ValueKind::Text,
            "Where the gateway asks about tokens (RFC 7662); else the discovery document's",
        ),
        key("userinfo_endpoint", ValueKind::Text, "For application developers"),
        key("authorize_endpoint", ValueKind::Text, "For application developers"),
        key("client_registration_endpoint", ValueKind::Text, "For application developers"),
        key("scope_management_endpoint", ValueKind::Text, "For application developers"),
        key("certificates", ValueKind::Table(&CERTIFICATES), "Where the keys come from"),
        key("ca", ValueKind::Text, "PEM: trust for calls to this server, beside the system's"),
        key("client_certificate", ValueKind::Table(&PAIR), "Where the server asks for one"),
        key("consumer_key_claim", ValueKind::Text, "The claim that holds the client"),
        key("scopes_claim", ValueKind::Text, "The claim that holds the scopes"),
        key("claim_mapping", ValueKind::FreeTable, "Claims renamed for the backend JWT"),
        key("algorithms", ValueKind::Choices(ALGORITHMS), "Accepted signature algorithms"),
        key("token_types", ValueKind::Texts, "Accepted typ; empty accepts JWT, at+jwt and none"),
        key(
            "id_tokens",
            ValueKind::Choice(&["refuse", "allow"]),
            "What becomes of tokens that look like ID tokens",
        ),
        key("audiences", ValueKind::Texts, "Any of these must be in aud; empty does not check"),
        key(
            "token_validation",
            ValueKind::Choice(&["self_validate_jwt", "introspection", "both"]),
            "How tokens are judged: here, by their server, or here and by their server now and then",
        ),
        key(
            "introspect_every",
            ValueKind::Duration,
            "For \"both\": the server is asked about each token at most once in this time",
        ),
        key(
            "on_introspection_failure",
            ValueKind::Choice(&["refuse", "allow"]),
            "For \"both\": what becomes of good signatures while the server cannot be asked",
        ),
        key(
            "token_handling",
            ValueKind::Tables(&TOKEN_HANDLING),
            "Picks among key managers with one issuer",
        ),
        key(
            "organizations",
            ValueKind::Texts,
            "For an issuer with braces: what they stand for, separated by /",
        ),
        key(
            "organization_pattern",
            ValueKind::Text,
            "A regular expression: which organizations are taken that are not listed",
        ),
        key(
            "max_organizations",
            ValueKind::Integer,
            "Of them, those whose keys are kept at a time",
        ),
        key(
            "max_new_organizations",
            ValueKind::Integer,
            "Of them, those that the server is newly asked about in a minute",
        ),
        key("grant_types", ValueKind::Texts, "For application developers"),
        only(
            "token_generation",
            ValueKind::Flag,
            &["false"],
            "Whether tokens are made for developers",
        ),
        only(
            "oauth_app_creation",
            ValueKind::Flag,
            &["false"],
            "Whether clients are made for developers",
        ),
        only(
            "out_of_band_provisioning",
            ValueKind::Flag,
            &["true"],
            "Whether existing keys may be provided",
        ),
        only(
            "permissions",
            ValueKind::Table(&PERMISSIONS),
            &["{ type = \"public\" }"],
            "Who may make keys",
        ),
        key("credentials", ValueKind::Table(&CREDENTIALS), "For introspection"),
        key(
            "credentials_for",
            ValueKind::Tables(&CREDENTIALS_FOR),
            "Of a template: the credentials of single organizations",
        ),
        key("introspection_signed", ValueKind::Flag, "Only signed answers are believed (RFC 9701)"),
        key(
            "introspection_cache",
            ValueKind::Duration,
            "How long answers are kept; never beyond exp",
        ),
        key("leeway", ValueKind::Duration, "Instead of the default"),
        key("jwks_refresh", ValueKind::Duration, "Instead of the default"),
        key("jwks_min_refetch", ValueKind::Duration, "Instead of the default"),
        key("jwks_keep_stale", ValueKind::Duration, "Instead of the default"),
        key("connect_timeout", ValueKind::Duration, "Instead of the default"),
        key("request_timeout", ValueKind::Duration, "Instead of the default"),
        key("max_document_bytes", ValueKind::Size, "Instead of the default"),
        key("allow_http", ValueKind::Flag, "Instead of the default"),
        key("proxy", ValueKind::Text, "Instead of the default"),
        key("max_lifetime", ValueKind::Duration, "Instead of the default"),
    ],
};

static TOKEN_HANDLING: TableRule = TableRule {
    keys: &[
        key("type", ValueKind::Choice(&["jwt", "reference"]), "Which form of token"),
        key(
            "claims",
            ValueKind::FreeTable,
            "For jwt: claims with regular expressions that their values match",
        ),
        key(
            "pattern",
            ValueKind::Text,
            "For reference: a regular expression that the token matches",
        ),
    ],
};

static CREDENTIALS_FOR: TableRule = TableRule {
    keys: &[
        key("organization", ValueKind::Text, "One of `organizations`"),
        key("file", ValueKind::Text, "A TOML file that holds its `credentials`"),
    ],
};

/// A file of `credentials_for`: the table by its name.
pub(in crate::config) static CREDENTIALS_FILE: TableRule =
    TableRule { keys: &[key("credentials", ValueKind::Table(&CREDENTIALS), "For introspection")] };

/// The credentials of one key manager; a file of `credentials_for` may hold the keys alone.
pub(in crate::config) static CREDENTIALS: TableRule = TableRule {
    keys: &[
        key(
            "method",
            ValueKind::Choice(CREDENTIAL_METHODS),
            "How the gateway authenticates; by default \"basic_raw\" for WSO2's types, else \"basic\", and \"private_key_jwt\" with `key`",
        ),
        key("username", ValueKind::Text, "The gateway's client id"),
        key("password", ValueKind::Secret, "Its secret"),
        key(
            "key",
            ValueKind::Text,
            "Instead of a secret: a private key, PEM, that signs client assertions (RFC 7523)",
        ),
        key("key_id", ValueKind::Text, "The key's name at the server; else its thumbprint"),
        key("audience", ValueKind::Text, "The audience of the client assertion; else the issuer"),
    ],
};

static CERTIFICATES: TableRule = TableRule {
    keys: &[
        key("jwks", ValueKind::Text, "The address of a key set"),
        key("pem", ValueKind::Text, "A file with certificates or public keys"),
        key("jwks_file", ValueKind::Text, "A file with a key set"),
    ],
};

static PERMISSIONS: TableRule = TableRule {
    keys: &[
        only("type", ValueKind::Choice(&["public", "allow", "deny"]), &["public"], "Who"),
        later("roles", ValueKind::Texts, "Roles"),
    ],
};
