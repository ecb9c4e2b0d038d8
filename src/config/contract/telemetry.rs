//! `[telemetry]`.

use super::rule::{TableRule, ValueKind, key, later, only};
use super::words::{FORMATS, LEVELS};

pub(super) static TELEMETRY: TableRule = TableRule {
    keys: &[
        key("log", ValueKind::Table(&LOG), "What the gateway itself does"),
        key("access_log", ValueKind::Table(&ACCESS_LOG), "One line per exchange"),
        key("traces", ValueKind::Table(&TRACES), "OpenTelemetry"),
        key("metrics", ValueKind::Table(&METRICS), "Prometheus"),
    ],
};

static LOG: TableRule = TableRule {
    keys: &[
        key("level", ValueKind::Choice(LEVELS), "How much"),
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
        only("otlp", ValueKind::Text, &["none"], "Where traces go"),
        later("sample", ValueKind::Number, "The share of traces"),
    ],
};

static METRICS: TableRule = TableRule {
    keys: &[
        only(
            "application_label",
            ValueKind::Flag,
            &["false"],
            "Whether requests are counted by application",
        ),
        key("max_series", ValueKind::Integer, "Of one family; the rest is \"other\""),
    ],
};
