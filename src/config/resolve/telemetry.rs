//! Reads `[telemetry]` and `[errors]`.

use crate::config::reader::Table;
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::traces;
use crate::config::source::Sources;
use crate::model::gateway::{
    AccessLogSettings, AccessLogTarget, ErrorFormat, Log, LogFormat, LogLevel, Telemetry,
};

pub(super) fn telemetry(roots: &RootTables<'_>, sources: &Sources) -> Telemetry {
    let table = roots.once("telemetry");
    let log = table.as_ref().and_then(|table| table.table("log"));
    let log = Log {
        level: log.as_ref().map_or(LogLevel::Info, level),
        format: log.as_ref().map_or(LogFormat::Json, format),
    };
    let access = table.as_ref().and_then(|table| table.table("access_log"));
    let target = access.as_ref().and_then(|table| table.wanted("path")).map_or(
        AccessLogTarget::Stdout,
        |path| match path.value {
            "off" => AccessLogTarget::Off,
            "stdout" => AccessLogTarget::Stdout,
            "stderr" => AccessLogTarget::Stderr,
            file => AccessLogTarget::File(sources.resolve(file)),
        },
    );
    let access_log = AccessLogSettings {
        target,
        format: access.as_ref().map_or(LogFormat::Json, format),
        sample: access.as_ref().map_or(1.0, |table| table.share("sample", 1.0)),
    };
    let traces = table
        .as_ref()
        .and_then(|table| table.table("traces"))
        .and_then(|table| traces::traces(&table, sources));
    let metrics = table.as_ref().and_then(|table| table.table("metrics"));
    let application_label =
        metrics.as_ref().is_some_and(|table| table.flag("application_label", false));
    let max_series =
        metrics.map_or(10_000, |table| table.integer("max_series", 100..=10_000_000, 10_000));
    let max_series = usize::try_from(max_series).unwrap_or(10_000);
    Telemetry { log, access_log, traces, application_label, max_series }
}

fn level(table: &Table<'_>) -> LogLevel {
    match table.choice("level", &["error", "warn", "info", "debug", "trace"]) {
        Some("error") => LogLevel::Error,
        Some("warn") => LogLevel::Warn,
        Some("debug") => LogLevel::Debug,
        Some("trace") => LogLevel::Trace,
        _ => LogLevel::Info,
    }
}

fn format(table: &Table<'_>) -> LogFormat {
    match table.choice("format", &["json", "text"]) {
        Some("text") => LogFormat::Text,
        _ => LogFormat::Json,
    }
}

pub(super) fn errors(roots: &RootTables<'_>) -> ErrorFormat {
    let table = roots.once("errors");
    match table.and_then(|table| table.choice("format", &["wso2", "problem"])) {
        Some("problem") => ErrorFormat::Problem,
        _ => ErrorFormat::Wso2,
    }
}
