//! `[management]` and `[store]`.

use super::listener::PAIR;
use super::rule::{TableRule, ValueKind, key, later, only};
use crate::model::gateway::UserRole;

pub(super) static MANAGEMENT: TableRule = TableRule {
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

pub(super) static STORE: TableRule = TableRule {
    keys: &[only("url", ValueKind::Text, &["none"], "sqlite:, postgres: or \"none\"")],
};
