//! A family in the OpenMetrics format 1.0.0. The library of the text format cannot write it, since
//! it knows no exemplars.

use std::fmt::Write;

use super::exemplars::{Exemplar, Exemplars};
use super::family::{FamilyDefinition, MetricKind};
use super::histogram::HistogramTotals;
use super::sample::{MetricSample, SampleValue};

/// The end of a scrape.
pub(super) const END: &str = "# EOF\n";

/// Writes a family with its samples. Writing to memory cannot fail.
pub(super) fn write(text: &mut String, family: &FamilyDefinition, samples: &[MetricSample]) {
    let (kind, name) = match family.kind {
        MetricKind::Counter => {
            ("counter", family.name.strip_suffix("_total").unwrap_or(family.name))
        }
        MetricKind::Gauge(_) => ("gauge", family.name),
        MetricKind::Histogram => ("histogram", family.name),
    };
    let _ = writeln!(text, "# TYPE {name} {kind}\n# HELP {name} {}", Escaped(family.help));
    for sample in samples {
        let labels = labels(family, sample);
        match sample.value {
            SampleValue::Number(value) => {
                let _ = writeln!(text, "{}{} {value}", family.name, braced(&labels));
            }
            SampleValue::Histogram(totals) => {
                histogram(text, name, &labels, &totals, sample.exemplars.as_deref());
            }
        }
    }
}

fn histogram(
    text: &mut String,
    name: &str,
    labels: &str,
    totals: &HistogramTotals,
    exemplars: Option<&Exemplars>,
) {
    let comma = if labels.is_empty() { "" } else { "," };
    let none = [None; super::histogram::BUCKETS];
    let count = totals.count();
    let bounds = totals.cumulative().map(|(bound, count)| (format!("{bound:?}"), count));
    let all = bounds.chain([("+Inf".to_owned(), count)]);
    for ((bound, count), exemplar) in all.zip(exemplars.unwrap_or(&none)) {
        let _ = write!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}");
        if let Some(Exemplar { trace, value, at }) = exemplar {
            let (value, at) = (value.as_secs_f64(), at.0);
            let (seconds, millis) = (at / 1000, at % 1000);
            let _ = write!(text, " # {{trace_id=\"{trace}\"}} {value} {seconds}.{millis:03}");
        }
        text.push('\n');
    }
    let (labels, sum) = (braced(labels), totals.sum().as_secs_f64());
    let _ = writeln!(text, "{name}_sum{labels} {sum}\n{name}_count{labels} {count}");
}

fn labels(family: &FamilyDefinition, sample: &MetricSample) -> String {
    let mut labels = String::new();
    for (name, value) in family.labels.iter().zip(&sample.labels) {
        let comma = if labels.is_empty() { "" } else { "," };
        let _ = write!(labels, "{comma}{name}=\"{}\"", Escaped(value.as_str()));
    }
    labels
}

fn braced(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

/// A string in which no character ends the line or the quotes.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}
