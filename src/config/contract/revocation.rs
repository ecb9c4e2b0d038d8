//! `[revocation]`.

use super::listener::PAIR;
use super::rule::{TableRule, ValueKind, key};

pub(super) static REVOCATION: TableRule = TableRule {
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
