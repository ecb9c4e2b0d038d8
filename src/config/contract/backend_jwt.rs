//! The keys of `[backend_jwt]`.

use super::rule::{TableRule, ValueKind, key};

pub(super) static BACKEND_JWT: TableRule = TableRule {
    keys: &[
        key("header", ValueKind::Text, "The header that carries it"),
        key("key", ValueKind::Text, "The private key that signs it, PEM"),
        key("previous_keys", ValueKind::Texts, "Earlier keys, which are still published"),
        key("issuer", ValueKind::Text, "Its issuer (iss)"),
        key("ttl", ValueKind::Duration, "Its lifetime, which never exceeds the caller's token"),
        key(
            "encoding",
            ValueKind::Choice(&["base64url", "base64"]),
            "base64url as in RFC 7515, or base64 as in WSO2",
        ),
    ],
};
