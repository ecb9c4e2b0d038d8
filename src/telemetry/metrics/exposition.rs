//! Writes values in Prometheus' text format 0.0.4, with at most `max_series` series for each
//! family.
//!
//! The label sets that are seen first keep a series of their own for as long as they exist. Label
//! sets that come when the family is full share one series whose every label is `other`. No label
//! set moves between the two. A label set that disappears leaves its count in the sum of `other`,
//! so counters never fall.

use std::collections::{BTreeMap, HashMap, HashSet};

use prometheus::TextEncoder;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use super::family::{Combine, FamilyDefinition, MetricKind};
use super::histogram::{HISTOGRAM_SERIES, HistogramTotals};
use super::openmetrics;
use super::sample::{Label, Labels, MetricSample, OTHER, SampleValue};
use super::scrape_format::ScrapeFormat;

/// The label sets that have a series, remembered from scrape to scrape.
#[derive(Debug)]
pub(super) struct Caps {
    max_series: usize,
    families: BTreeMap<&'static str, Cap>,
}

#[derive(Debug, Default)]
struct Cap {
    named: HashSet<Labels>,
    /// Label sets that share `other`, with their values at the last scrape.
    unnamed: HashMap<Labels, SampleValue>,
    /// The counts under `other` of label sets that exist no more.
    gone: Option<SampleValue>,
    overflowed: u64,
}

/// A scrape in the making.
#[derive(Debug)]
pub(super) struct Exposition<'a> {
    caps: &'a mut Caps,
    format: ScrapeFormat,
    text: String,
}

impl<'a> Exposition<'a> {
    pub(super) fn new(caps: &'a mut Caps, format: ScrapeFormat) -> Self {
        Self { caps, format, text: String::new() }
    }

    /// Writes one family at a time, so that a large one is not kept beside its text.
    pub(super) fn write(&mut self, family: &'static FamilyDefinition, samples: Vec<MetricSample>) {
        let samples = if family.capped() { self.caps.apply(family, samples) } else { samples };
        if samples.is_empty() {
            return;
        }
        if self.format == ScrapeFormat::OpenMetrics {
            openmetrics::write(&mut self.text, family, &samples);
            return;
        }
        let mut metrics = MetricFamily::default();
        metrics.set_name(family.name.to_owned());
        metrics.set_help(family.help.to_owned());
        metrics.set_field_type(match family.kind {
            MetricKind::Counter => MetricType::COUNTER,
            MetricKind::Gauge(_) => MetricType::GAUGE,
            MetricKind::Histogram => MetricType::HISTOGRAM,
        });
        metrics.set_metric(samples.iter().map(|sample| metric(family, sample)).collect());
        if let Err(error) = TextEncoder::new().encode_utf8(&[metrics], &mut self.text) {
            tracing::error!(family = family.name, %error, "a metric family could not be written");
        }
    }

    pub(super) fn overflowed(&self, family: &FamilyDefinition) -> u64 {
        self.caps.families.get(family.name).map_or(0, |cap| cap.overflowed)
    }

    pub(super) fn into_text(mut self) -> String {
        if self.format == ScrapeFormat::OpenMetrics {
            self.text.push_str(openmetrics::END);
        }
        self.text
    }
}

impl Caps {
    pub(super) fn new(max_series: usize) -> Self {
        Self { max_series, families: BTreeMap::new() }
    }

    fn apply(
        &mut self,
        family: &'static FamilyDefinition,
        samples: Vec<MetricSample>,
    ) -> Vec<MetricSample> {
        let room = label_sets(family.kind, self.max_series).saturating_sub(1);
        self.families.entry(family.name).or_default().apply(family, room, samples)
    }
}

/// Returns how many label sets fit into so many series, `other` included. A histogram needs a
/// series for each bucket. There is always room for one.
pub(super) fn label_sets(kind: MetricKind, max_series: usize) -> usize {
    (max_series / series_each(kind)).max(1)
}

/// Returns the number of series of one label set.
pub(super) fn series_each(kind: MetricKind) -> usize {
    match kind {
        MetricKind::Counter | MetricKind::Gauge(_) => 1,
        MetricKind::Histogram => HISTOGRAM_SERIES,
    }
}

impl Cap {
    fn apply(
        &mut self,
        family: &FamilyDefinition,
        room: usize,
        samples: Vec<MetricSample>,
    ) -> Vec<MetricSample> {
        let (combine, counts) = match family.kind {
            MetricKind::Gauge(combine) => (combine, false),
            MetricKind::Counter | MetricKind::Histogram => (Combine::Sum, true),
        };
        let mut written = Vec::with_capacity(samples.len().min(room + 1));
        let mut named = HashSet::with_capacity(self.named.len());
        let mut unnamed = HashMap::new();
        let mut fresh = Vec::new();
        for sample in samples {
            if self.named.contains(&sample.labels) {
                named.insert(sample.labels.clone());
                written.push(sample);
            } else if let Some(before) = self.unnamed.remove(&sample.labels) {
                if counts && sample.value.is_below(&before) {
                    // gone and back between two scrapes
                    self.gone = Some(before.combined(self.gone, combine));
                }
                unnamed.insert(sample.labels, sample.value);
            } else {
                fresh.push(sample);
            }
        }
        if counts {
            for value in self.unnamed.values() {
                self.gone = Some(value.combined(self.gone, combine));
            }
        }
        for sample in fresh {
            if named.len() < room {
                named.insert(sample.labels.clone());
                written.push(sample);
            } else {
                self.overflowed += 1;
                unnamed.insert(sample.labels, sample.value);
            }
        }
        let other =
            unnamed.values().fold(self.gone, |sum, value| Some(value.combined(sum, combine)));
        self.named = named;
        self.unnamed = unnamed;
        if let Some(value) = other {
            add_other(family, &mut written, value, combine);
        }
        written
    }
}

/// Adds the series `other`. A label may really have that value: then it and the rest share the
/// series.
fn add_other(
    family: &FamilyDefinition,
    samples: &mut Vec<MetricSample>,
    value: SampleValue,
    combine: Combine,
) {
    match samples
        .iter_mut()
        .find(|sample| sample.labels.iter().all(|label| label.as_str() == OTHER))
    {
        Some(same) => same.value = value.combined(Some(same.value), combine),
        None => samples.push(MetricSample {
            labels: family.labels.iter().map(|_| Label::Fixed(OTHER)).collect(),
            value,
            exemplars: None,
        }),
    }
}

fn metric(family: &FamilyDefinition, sample: &MetricSample) -> Metric {
    let mut metric = Metric::from_label(
        family
            .labels
            .iter()
            .zip(&sample.labels)
            .map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value(value.as_str().to_owned());
                pair
            })
            .collect(),
    );
    match (sample.value, family.kind) {
        (SampleValue::Number(value), MetricKind::Gauge(_)) => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        (SampleValue::Number(value), _) => {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
        (SampleValue::Histogram(totals), _) => metric.set_histogram(histogram(&totals)),
    }
    metric
}

fn histogram(totals: &HistogramTotals) -> Histogram {
    let mut histogram = Histogram::default();
    histogram.set_bucket(
        totals
            .cumulative()
            .map(|(bound, count)| {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(bound);
                bucket.set_cumulative_count(count);
                bucket
            })
            .collect(),
    );
    histogram.set_sample_count(totals.count());
    histogram.set_sample_sum(totals.sum().as_secs_f64());
    histogram
}
