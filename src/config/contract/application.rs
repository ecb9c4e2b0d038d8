//! The keys of `[[applications]]` with their keys and subscriptions.

use super::rule::{TableRule, ValueKind, key};

pub(super) static APPLICATION: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique"),
        key("id", ValueKind::Text, "Its id in the REST API, a UUID; derived from its name"),
        key("owner", ValueKind::Text, "The owner"),
        key(
            "organization",
            ValueKind::Text,
            "The organization whose tokens it may use, and no others",
        ),
        key("policy", ValueKind::Text, "Application-level policy"),
        key("attributes", ValueKind::FreeTable, "Attributes for the backend JWT"),
        key("keys", ValueKind::Tables(&KEY), "Existing OAuth keys"),
        key("subscriptions", ValueKind::Tables(&SUBSCRIPTION), "APIs that it may call"),
    ],
};

static KEY: TableRule = TableRule {
    keys: &[
        key("type", ValueKind::Choice(&["production", "sandbox"]), "The backend for this key"),
        key("key_manager", ValueKind::Text, "The key manager that issued it"),
        key("consumer_key", ValueKind::Text, "The client id"),
        key("id", ValueKind::Text, "Its id in the REST API, a UUID; derived from its name"),
    ],
};

static SUBSCRIPTION: TableRule = TableRule {
    keys: &[
        key("api", ValueKind::Text, "name:version"),
        key("policy", ValueKind::Text, "Subscription-level policy"),
        key(
            "status",
            ValueKind::Choice(&[
                "unblocked",
                "blocked",
                "prod_only_blocked",
                "on_hold",
                "rejected",
            ]),
            "The state of the subscription",
        ),
        key("id", ValueKind::Text, "Its id in the REST API, a UUID; derived from its name"),
    ],
};
