//! A scrape read back as a Prometheus server reads it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::telemetry::metrics::Metrics;

type SeriesLabels = BTreeMap<String, String>;

/// A scrape read back line by line: sample name, labels, value.
pub(super) struct Scrape(Vec<(String, SeriesLabels, f64)>);

impl Scrape {
    /// Panics on whatever a Prometheus server would refuse, and on a series that is there twice.
    pub(super) fn of(metrics: &Metrics) -> Self {
        let text = metrics.render();
        assert!(text.ends_with('\n'));
        let (mut samples, mut seen, mut described) = (Vec::new(), HashSet::new(), BTreeSet::new());
        let mut family = (String::new(), String::new());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(
                    !help.is_empty() && described.insert(name.to_owned()),
                    "{name} is described twice"
                );
                let kind = lines
                    .next()
                    .unwrap()
                    .strip_prefix("# TYPE ")
                    .unwrap()
                    .strip_prefix(name)
                    .unwrap()
                    .trim()
                    .to_owned();
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
                family = (name.to_owned(), kind);
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(series.to_owned()), "{series} is there twice");
            let (name, labels) = series
                .split_once('{')
                .map_or((series, ""), |(name, labels)| (name, labels.strip_suffix('}').unwrap()));
            let base = if family.1 == "histogram" {
                name.strip_suffix("_bucket")
                    .or(name.strip_suffix("_sum"))
                    .or(name.strip_suffix("_count"))
                    .unwrap()
            } else {
                name
            };
            assert_eq!(base, family.0, "{line}");
            samples.push((name.to_owned(), labels_of(labels), value.parse().unwrap()));
        }
        Self(samples)
    }

    pub(super) fn matching(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let fits = |found: &SeriesLabels| {
            labels
                .iter()
                .all(|(label, value)| found.get(*label).is_some_and(|found| found == value))
        };
        self.0
            .iter()
            .filter(|(found, with, _)| found == name && fits(with))
            .map(|(_, _, value)| *value)
            .collect()
    }

    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).iter().sum()
    }

    #[track_caller]
    pub(super) fn one(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.matching(name, labels);
        assert_eq!(found.len(), 1, "{name} {labels:?}");
        found[0]
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(found, ..)| found == name || family_of(found) == name).count()
    }

    /// Checks that every counter and bucket of `earlier` that still exists is at least as large
    /// now.
    #[track_caller]
    pub(super) fn assert_not_below(&self, earlier: &Self) {
        let now: BTreeMap<_, _> =
            self.0.iter().map(|(name, labels, value)| ((name, labels), *value)).collect();
        for (name, labels, before) in &earlier.0 {
            let counts =
                ["_total", "_bucket", "_count", "_sum"].iter().any(|suffix| name.ends_with(suffix));
            if let Some(after) = now.get(&(name, labels)).filter(|_| counts) {
                assert!(after >= before, "{name} {labels:?} fell from {before} to {after}");
            }
        }
    }
}

/// `name="value",...` with the escapes of the text format.
fn labels_of(text: &str) -> SeriesLabels {
    let mut labels = SeriesLabels::new();
    let mut rest = text;
    while let Some((name, value)) = rest.split_once("=\"") {
        let (mut content, mut characters) = (String::new(), value.chars());
        loop {
            match characters.next().unwrap() {
                '"' => break,
                '\\' => content.push(match characters.next().unwrap() {
                    'n' => '\n',
                    other => other,
                }),
                other => content.push(other),
            }
        }
        assert!(labels.insert(name.trim_start_matches(',').to_owned(), content).is_none());
        rest = characters.as_str();
    }
    assert!(rest.is_empty(), "{rest}");
    labels
}

fn family_of(sample: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| sample.strip_suffix(suffix))
        .unwrap_or(sample)
}
