//! The keys of `[revocation]`.

use super::listener::PAIR;
use super::rule::{TableRule, ValueKind, key};

pub(super) static REVOCATION: TableRule = TableRule {
    keys: &[
        key("notify", ValueKind::Flag, "Accepts revocation notices from WSO2 IS"),
        key(
            "channel",
            ValueKind::Secret,
            "The address of Redis or Valkey, over which gateways tell each other; or \"none\"",
        ),
        key(
            "ca",
            ValueKind::Text,
            "PEM: trusted authorities for the channel, besides the system's",
        ),
        key(
            "client_certificate",
            ValueKind::Table(&PAIR),
            "The gateway's certificate, if the channel asks for one",
        ),
    ],
};
