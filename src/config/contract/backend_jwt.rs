//! `[backend_jwt]`.

use super::rule::{TableRule, ValueKind, key};

pub(super) static BACKEND_JWT: TableRule = TableRule {
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
