//! The keys of `[telemetry]`.

use super::rule::{TableRule, ValueKind, key};
use super::words::{FORMATS, LEVELS};

pub(super) static TELEMETRY: TableRule = TableRule {
    keys: &[
        key("log", ValueKind::Table(&LOG), "The log of the gateway itself"),
        key("access_log", ValueKind::Table(&ACCESS_LOG), "One line for each request"),
        key("traces", ValueKind::Table(&TRACES), "OpenTelemetry"),
        key("metrics", ValueKind::Table(&METRICS), "Prometheus"),
    ],
};

static LOG: TableRule = TableRule {
    keys: &[
        key("level", ValueKind::Choice(LEVELS), "The level of detail"),
        key("format", ValueKind::Choice(FORMATS), "For programs or for people"),
    ],
};

static ACCESS_LOG: TableRule = TableRule {
    keys: &[
        key("path", ValueKind::Text, "\"stdout\", \"stderr\", \"off\" or a file"),
        key("format", ValueKind::Choice(FORMATS), "For programs or for people"),
        key("sample", ValueKind::Number, "The share of lines, 0 to 1; refusals are always written"),
    ],
};

static TRACES: TableRule = TableRule {
    keys: &[
        key("otlp", ValueKind::Text, "The collector: \"none\" or \"http://collector:4318\""),
        key("sample", ValueKind::Number, "The share of traces, 0 to 1"),
        key("slow", ValueKind::Duration, "Exchanges that take as long are always exported"),
        key("authorization", ValueKind::Secret, "What the collector wants in `Authorization`"),
        key("ca", ValueKind::Text, "Trust for the collector, beside the system's roots"),
    ],
};

static METRICS: TableRule = TableRule {
    keys: &[
        key("application_label", ValueKind::Flag, "Counts requests by application"),
        key(
            "max_series",
            ValueKind::Integer,
            "The most series of one metric; the rest is counted as \"other\"",
        ),
    ],
};
