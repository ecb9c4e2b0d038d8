//! The keys of `[[listeners]]`, and of a certificate with its key.

use super::rule::{TableRule, ValueKind, key};

pub(super) static LISTENER: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique"),
        key("address", ValueKind::Text, "IP address and port"),
        key(
            "protocols",
            ValueKind::Choices(&["h2", "http/1.1"]),
            "Offered by ALPN; without TLS, h2 means prior knowledge",
        ),
        key(
            "proxy_protocol",
            ValueKind::Choice(&["off", "optional", "required"]),
            "PROXY protocol v1 and v2",
        ),
        key("max_connections", ValueKind::Integer, "The most connections, over all workers"),
        key(
            "max_connections_per_address",
            ValueKind::Integer,
            "The most connections of one client address",
        ),
        key("tls", ValueKind::Table(&LISTENER_TLS), "Certificates"),
    ],
};

static LISTENER_TLS: TableRule = TableRule {
    keys: &[
        key("certificate", ValueKind::Text, "A PEM chain, the listener's own certificate first"),
        key("key", ValueKind::Text, "Its private key, PEM"),
        key(
            "client_auth",
            ValueKind::Choice(&["none", "optional", "required"]),
            "Asks clients for a certificate",
        ),
        key("client_ca", ValueKind::Text, "PEM: the authorities of client certificates"),
        key("sni", ValueKind::Tables(&SNI), "Other certificates by server name"),
    ],
};

static SNI: TableRule = TableRule {
    keys: &[
        key("names", ValueKind::Texts, "Server names; *.example for one label below"),
        key("certificate", ValueKind::Text, "A PEM chain"),
        key("key", ValueKind::Text, "Its private key, PEM"),
    ],
};

pub(super) static PAIR: TableRule = TableRule {
    keys: &[
        key("certificate", ValueKind::Text, "A PEM chain"),
        key("key", ValueKind::Text, "Its private key, PEM"),
    ],
};
