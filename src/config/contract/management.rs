//! The keys of `[management]`, `[portal]` and `[store]`.

use super::listener::PAIR;
use super::rule::{TableRule, ValueKind, key};
use crate::model::gateway::UserRole;

pub(super) static MANAGEMENT: TableRule = TableRule {
    keys: &[
        key("address", ValueKind::Text, "IP address and port"),
        key("tls", ValueKind::Table(&PAIR), "Certificate and key"),
        key(
            "users",
            ValueKind::Tables(&MANAGEMENT_USER),
            "Users who may revoke tokens and use the management API",
        ),
        key(
            "hosts",
            ValueKind::Texts,
            "Names of this listener, besides addresses and the machine's name",
        ),
        key(
            "allowed_networks",
            ValueKind::Texts,
            "Networks besides the internet that addresses of the management API may lead to",
        ),
        key(
            "token_key_manager",
            ValueKind::Text,
            "The key manager whose tokens with apim: scopes the management API accepts",
        ),
        key("roles_claim", ValueKind::Text, "The claim of these tokens that lists roles"),
        key("groups_claim", ValueKind::Text, "The claim of these tokens that lists groups"),
    ],
};

static MANAGEMENT_USER: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique"),
        key("password_hash", ValueKind::Secret, "Argon2 hash in PHC format: $argon2id$..."),
        key("roles", ValueKind::Choices(UserRole::NAMES), "The user's rights"),
        key("groups", ValueKind::Texts, "The user sees and changes applications of these groups"),
    ],
};

pub(super) static PORTAL: TableRule = TableRule {
    keys: &[
        key("self_signup", ValueKind::Flag, "Anybody may make an account with the role developer"),
        key("terms", ValueKind::Text, "The address of a page that a new account must accept"),
        key(
            "key_provisioning",
            ValueKind::Flag,
            "Application developers may map existing OAuth keys, where the key manager allows it",
        ),
        key(
            "validate_existing_keys",
            ValueKind::Flag,
            "The authorization server is asked for an existing client, where its type can tell",
        ),
    ],
};

pub(super) static STORE: TableRule = TableRule {
    keys: &[
        key("url", ValueKind::Text, "\"sqlite:PATH\", \"postgres://user@host/db\" or \"none\""),
        key("password", ValueKind::Secret, "The password for PostgreSQL"),
        key("ca", ValueKind::Text, "Authorities that may have signed its certificate"),
        key("tls", ValueKind::Choice(&["required", "off"]), "Encryption of the connection"),
        key("poll_interval", ValueKind::Duration, "The time between two looks for changes"),
        key("encryption_key", ValueKind::Secret, "32 bytes in Base64, for secrets that are kept"),
        key(
            "previous_encryption_keys",
            ValueKind::Secrets,
            "Keys that are still read: those before a change",
        ),
    ],
};
