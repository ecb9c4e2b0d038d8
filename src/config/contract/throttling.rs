//! `[throttling]` and `[[throttling_policies]]`.

use super::rule::{TableRule, ValueKind, later};

pub(super) static THROTTLING: TableRule = TableRule {
    keys: &[
        later("counters", ValueKind::Text, "\"local\" or an address of Redis"),
        later("mode", ValueKind::Choice(&["batched", "exact"]), "How counts are shared"),
        later("sync_interval", ValueKind::Duration, "How often"),
        later("on_counter_failure", ValueKind::Choice(&["local", "refuse"]), "When they cannot be"),
    ],
};

pub(super) static THROTTLING_POLICY: TableRule = TableRule {
    keys: &[
        later("name", ValueKind::Text, "Unique"),
        later("requests", ValueKind::Integer, "How many"),
        later("per", ValueKind::Duration, "In which time"),
        later("burst", ValueKind::FreeTable, "Spike arrest"),
        later("bandwidth", ValueKind::Size, "Bytes in the same time"),
        later("stop_on_quota_reach", ValueKind::Flag, "Whether requests end with the quota"),
    ],
};
