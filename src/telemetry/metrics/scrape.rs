//! From samples to text: the cap on series, and the format.
//!
//! Which series a capped family shows is decided when they are first seen and then stays, so that no counter ever falls:
//! what came too late is summed into one series of which every label is `other`.

use std::collections::{HashMap, HashSet};

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::families::{ALL, Combine, Family, Kind, SERIES_OVERFLOW};
use super::gather::{Number, Sample};
use super::histogram::HistogramTotals;

const OTHER: &str = "other";

/// What earlier scrapes decided.
#[derive(Debug)]
pub(super) struct Scrape {
    max_series: usize,
    families: HashMap<&'static str, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    admitted: HashSet<Vec<String>>,
    turned_away: HashSet<Vec<String>>,
    overflow: u64,
}

/// Remembering those turned away costs memory too; beyond this they are counted no more than once a scrape.
const MOST_REMEMBERED: usize = 100_000;

impl Scrape {
    pub(super) fn new(max_series: usize) -> Self {
        Self { max_series: max_series.max(1), families: HashMap::new() }
    }

    pub(super) fn render(&mut self, samples: Vec<Sample>) -> String {
        let mut by_family: HashMap<&'static str, Vec<Sample>> = HashMap::new();
        for sample in samples {
            by_family.entry(sample.family.name).or_default().push(sample);
        }
        let mut families = Vec::new();
        for family in ALL.iter().filter(|family| family.name != SERIES_OVERFLOW.name) {
            let samples = by_family.remove(family.name).unwrap_or_default();
            let samples = if family.capped() { self.cap(family, samples) } else { samples };
            families.extend(proto(family, samples));
        }
        families.extend(proto(&SERIES_OVERFLOW, self.overflows()));
        let mut text = Vec::new();
        // an empty family is the only thing that the encoder refuses, and there is none
        let _ = TextEncoder::new().encode(&families, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    fn cap(&mut self, family: &'static Family, samples: Vec<Sample>) -> Vec<Sample> {
        let seen = self.families.entry(family.name).or_default();
        let live: HashSet<&Vec<String>> = samples.iter().map(|sample| &sample.labels).collect();
        // what is gone makes room
        seen.admitted.retain(|labels| live.contains(labels));
        seen.turned_away.retain(|labels| live.contains(labels));
        let mut kept = Vec::with_capacity(samples.len());
        let mut rest: Option<Sample> = None;
        for sample in samples {
            let late = seen.turned_away.contains(&sample.labels);
            if !late && (seen.admitted.contains(&sample.labels) || seen.admitted.len() < self.max_series) {
                seen.admitted.insert(sample.labels.clone());
                kept.push(sample);
                continue;
            }
            if seen.turned_away.len() < MOST_REMEMBERED && seen.turned_away.insert(sample.labels.clone()) {
                seen.overflow = seen.overflow.saturating_add(1);
            }
            rest = Some(match rest {
                None => Sample { labels: family.labels.iter().map(|_| OTHER.to_owned()).collect(), ..sample },
                Some(rest) => combine(family, rest, &sample),
            });
        }
        kept.extend(rest);
        kept
    }

    fn overflows(&self) -> Vec<Sample> {
        let capped = ALL.iter().filter(|family| family.capped());
        let samples = capped.map(|family| Sample {
            family: &SERIES_OVERFLOW,
            labels: vec![family.name.to_owned()],
            #[allow(clippy::cast_precision_loss, reason = "the format has floats only")]
            value: Number::Plain(self.families.get(family.name).map_or(0, |seen| seen.overflow) as f64),
        });
        samples.collect()
    }
}

fn combine(family: &Family, rest: Sample, sample: &Sample) -> Sample {
    let value = match (rest.value, sample.value) {
        (Number::Histogram(mut totals), Number::Histogram(more)) => {
            totals.add(&more);
            Number::Histogram(totals)
        }
        (Number::Plain(one), Number::Plain(two)) => Number::Plain(match family.kind {
            Kind::Gauge(Combine::Max) => one.max(two),
            Kind::Gauge(Combine::Min) => one.min(two),
            Kind::Counter | Kind::Histogram | Kind::Gauge(Combine::Sum) => one + two,
        }),
        (value, _) => value,
    };
    Sample { value, ..rest }
}

fn proto(family: &Family, mut samples: Vec<Sample>) -> Option<MetricFamily> {
    if samples.is_empty() {
        return None;
    }
    samples.sort_by(|one, two| one.labels.cmp(&two.labels));
    let mut out = MetricFamily::default();
    out.set_name(family.name.to_owned());
    out.set_help(family.help.to_owned());
    out.set_field_type(match family.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge(_) => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    out.set_metric(samples.into_iter().map(|sample| metric(family, sample)).collect());
    Some(out)
}

fn metric(family: &Family, sample: Sample) -> Metric {
    let mut labels: Vec<LabelPair> = family.labels.iter().zip(sample.labels).map(|(name, value)| label(name, value)).collect();
    labels.sort_by(|one, two| one.name().cmp(two.name()));
    let mut metric = Metric::from_label(labels);
    match (sample.value, family.kind) {
        (Number::Histogram(totals), _) => metric.set_histogram(histogram(&totals)),
        (Number::Plain(value), Kind::Gauge(_)) => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        (Number::Plain(value), _) => {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
    }
    metric
}

fn label(name: &str, value: String) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

fn histogram(totals: &HistogramTotals) -> Histogram {
    let buckets = totals.cumulative().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(totals.count());
    histogram.set_sample_sum(totals.sum().as_secs_f64());
    histogram
}
