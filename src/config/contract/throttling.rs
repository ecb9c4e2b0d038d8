//! `[throttling]`, `[[throttling_policies]]` and `[[deny_conditions]]`.

use super::listener::PAIR;
use super::rule::{TableRule, ValueKind, key};

pub(in crate::config) const POLICY_LEVELS: &[&str] =
    &["advanced", "subscription", "application", "custom"];
pub(in crate::config) const CONDITION_KINDS: &[&str] = &["ips", "headers", "query", "claims"];
pub(in crate::config) const DENY_TYPES: &[&str] = &["api", "application", "user", "ip", "ip_range"];

pub(super) static THROTTLING: TableRule = TableRule {
    keys: &[
        key("max_counters", ValueKind::Integer, "Counters that exist at a time"),
        key("headers", ValueKind::Flag, "RateLimit and RateLimit-Policy on answers"),
        key(
            "unauthenticated_policy",
            ValueKind::Text,
            "Subscription policy of each client address that calls operations without a token",
        ),
        key(
            "subscriptionless_policy",
            ValueKind::Text,
            "Subscription policy of each client of APIs that need no subscription",
        ),
        key(
            "counters",
            ValueKind::Secret,
            "\"local\", or an address of Redis or Valkey: one count over all gateways",
        ),
        key("mode", ValueKind::Choice(&["batched", "exact"]), "When counts are compared"),
        key("sync_interval", ValueKind::Duration, "The time between two comparisons"),
        key(
            "on_counter_failure",
            ValueKind::Choice(&["local", "refuse"]),
            "What a gateway does that cannot compare its counts",
        ),
        key("ca", ValueKind::Text, "PEM: trust for the counters' servers, beside the system's"),
        key("client_certificate", ValueKind::Table(&PAIR), "Where these servers ask for one"),
    ],
};

pub(super) static THROTTLING_POLICY: TableRule = TableRule {
    keys: &[
        key("name", ValueKind::Text, "Unique in its level; replaces a built-in one"),
        key("id", ValueKind::Text, "Its id in the REST API, a UUID; derived from its name"),
        key("level", ValueKind::Choice(POLICY_LEVELS), "What it can be chosen for"),
        key("requests", ValueKind::Integer, "How many"),
        key("bandwidth", ValueKind::Size, "Bytes of both bodies in the same time"),
        key("events", ValueKind::Integer, "Of the number in `events_header`, in the same time"),
        key("events_header", ValueKind::Text, "The response header in which backends report it"),
        key("per", ValueKind::Text, "In which time: up to \"24h\"; \"1d\" and \"1month\""),
        key("quotas", ValueKind::Tables(&QUOTA), "More quotas, which hold as well"),
        key("burst", ValueKind::Table(&BURST), "Spike arrest"),
        key("stop_on_quota_reach", ValueKind::Flag, "Whether requests end with the quota"),
        key("per_user", ValueKind::Flag, "Whether each user is counted apart"),
        key("observe", ValueKind::Flag, "Log and count refusals, and forward all the same"),
        key("conditions", ValueKind::Tables(&CONDITION), "Other limits, the first that holds"),
        key("key", ValueKind::Text, "Of a custom policy: one count for each value"),
        key("users", ValueKind::Texts, "Of a custom policy: only these users are counted"),
        key("sync_interval", ValueKind::Duration, "The time between two comparisons of its counts"),
    ],
};

static QUOTA: TableRule = TableRule {
    keys: &[
        key("requests", ValueKind::Integer, "How many"),
        key("bandwidth", ValueKind::Size, "Bytes of both bodies in the same time"),
        key("events", ValueKind::Integer, "Of the number in `events_header`, in the same time"),
        key("per", ValueKind::Text, "In which time"),
    ],
};

static BURST: TableRule = TableRule {
    keys: &[
        key("requests", ValueKind::Integer, "At once, and as many again in each `per`"),
        key("per", ValueKind::Duration, "In which time"),
    ],
};

static CONDITION: TableRule = TableRule {
    keys: &[
        key("ips", ValueKind::Texts, "Addresses, networks or ranges of clients; any of them"),
        key("headers", ValueKind::FreeTable, "Names and regular expressions; all of them"),
        key("query", ValueKind::FreeTable, "Parameters and regular expressions; all of them"),
        key("claims", ValueKind::FreeTable, "Claims and regular expressions; all of them"),
        key("invert", ValueKind::Choices(CONDITION_KINDS), "Those that must not fit"),
        key("requests", ValueKind::Integer, "How many"),
        key("bandwidth", ValueKind::Size, "Bytes of both bodies in the same time"),
        key("events", ValueKind::Integer, "Of the number in `events_header`, in the same time"),
        key("per", ValueKind::Text, "In which time"),
        key("quotas", ValueKind::Tables(&QUOTA), "More quotas, which hold as well"),
        key("burst", ValueKind::Table(&BURST), "Spike arrest"),
    ],
};

pub(super) static DENY_CONDITION: TableRule = TableRule {
    keys: &[
        key("id", ValueKind::Text, "Its id in the REST API, a UUID; derived from its name"),
        key("type", ValueKind::Choice(DENY_TYPES), "What is refused"),
        key("value", ValueKind::Text, "Which"),
        key("enabled", ValueKind::Flag, "Whether it is in force"),
        key("invert", ValueKind::Flag, "ip and ip_range: everybody but these"),
    ],
};

/// `hard_limit` of a backend.
pub(super) static HARD_LIMIT: TableRule = TableRule {
    keys: &[
        key("requests", ValueKind::Integer, "How many, over all applications"),
        key("per", ValueKind::Text, "In which time"),
    ],
};
