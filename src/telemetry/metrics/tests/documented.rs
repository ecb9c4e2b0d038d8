//! The manual has every metric once, with its type and labels.

use std::fmt::Write;

use super::super::families::ALL;
use super::super::family::{FamilyDefinition, MetricKind};

/// The start of the row that `docs/observability.md` has for a family.
fn row(family: &FamilyDefinition) -> String {
    let kind = match family.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge(_) => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let mut row = format!("| `{}` | {kind} | ", family.name);
    for (position, label) in family.labels.iter().enumerate() {
        let comma = if position > 0 { ", " } else { "" };
        write!(row, "{comma}`{label}`").unwrap();
    }
    format!("{} |", row.trim_end())
}

#[test]
fn the_manual_has_every_metric_once() {
    let page = include_str!("../../../../docs/observability.md");
    let written: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `portcullis_") || line.starts_with("| `process_"))
        // a row begins with the name alone, an alert with an expression
        .filter(|line| line.split('`').nth(1).is_some_and(|name| !name.contains([' ', '(', '{'])))
        .collect();
    for family in ALL {
        let rows = written.iter().filter(|line| line.starts_with(&row(family))).count();
        assert_eq!(rows, 1, "{}", row(family));
    }
    assert_eq!(written.len(), ALL.len());
}
