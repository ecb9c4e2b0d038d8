//! `[[applications]]` with their keys and subscriptions.

use super::rule::{TableRule, ValueKind, key, only};
use super::words::UNLIMITED;

pub(super) static APPLICATION: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique"),
        key("owner", ValueKind::Text, "Who it belongs to"),
        key("organization", ValueKind::Text, "Whose tokens alone it may use"),
        only("policy", ValueKind::Text, UNLIMITED, "Application-level policy"),
        only("attributes", ValueKind::FreeTable, &["{}"], "For the backend JWT"),
        key("keys", ValueKind::Tables(&KEY), "Existing OAuth keys"),
        key("subscriptions", ValueKind::Tables(&SUBSCRIPTION), "APIs that it may call"),
    ],
};

static KEY: TableRule = TableRule {
    keys: &[
        key("type", ValueKind::Choice(&["production", "sandbox"]), "Which backend"),
        key("key_manager", ValueKind::Text, "Who issued it"),
        key("consumer_key", ValueKind::Text, "The client id"),
    ],
};

static SUBSCRIPTION: TableRule = TableRule {
    keys: &[
        key("api", ValueKind::Text, "name:version"),
        only("policy", ValueKind::Text, UNLIMITED, "Subscription-level policy"),
        key(
            "status",
            ValueKind::Choice(&[
                "unblocked",
                "blocked",
                "prod_only_blocked",
                "on_hold",
                "rejected",
            ]),
            "Whether it is in force",
        ),
    ],
};
