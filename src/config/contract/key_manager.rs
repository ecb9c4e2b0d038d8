//! `[key_manager_defaults]` and `[[key_managers]]`.

use super::{
    ALGORITHMS, CREDENTIAL_METHODS, KEY_MANAGER_TYPES, Kind, PAIR, TableRule, key, later, only,
};

pub(super) static KEY_MANAGER_DEFAULTS: TableRule = TableRule {
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

pub(super) static KEY_MANAGER: TableRule = TableRule {
    keys: &[
        key("name", Kind::Text, "Unique"),
        key("display_name", Kind::Text, "For people"),
        key("description", Kind::Text, "For people"),
        key("type", Kind::Choice(KEY_MANAGER_TYPES), "Sets the claim defaults"),
        key("enabled", Kind::Flag, "Whether its tokens are taken"),
        key("well_known_url", Kind::Text, "The discovery document; fills what is not written"),
        key("issuer", Kind::Text, "Equal, byte for byte, to a token's iss"),
        key("token_endpoint", Kind::Text, "For application developers"),
        key("display_token_endpoint", Kind::Text, "For application developers, instead"),
        key("revoke_endpoint", Kind::Text, "For application developers"),
        key("display_revoke_endpoint", Kind::Text, "For application developers, instead"),
        key(
            "introspection_endpoint",
            Kind::Text,
            "Where the gateway asks about tokens (RFC 7662); else the discovery document's",
        ),
        key("userinfo_endpoint", Kind::Text, "For application developers"),
        key("authorize_endpoint", Kind::Text, "For application developers"),
        key("client_registration_endpoint", Kind::Text, "For application developers"),
        key("scope_management_endpoint", Kind::Text, "For application developers"),
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
        key("grant_types", Kind::Texts, "For application developers"),
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
pub(in crate::config) static CREDENTIALS_FILE: TableRule =
    TableRule { keys: &[key("credentials", Kind::Table(&CREDENTIALS), "For introspection")] };

/// The credentials of one key manager; a file of `credentials_for` may hold the keys alone.
pub(in crate::config) static CREDENTIALS: TableRule = TableRule {
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
