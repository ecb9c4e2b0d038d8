//! A value of a scrape with its labels.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::exemplars::Exemplars;
use super::family::Combine;
use super::histogram::HistogramTotals;

/// The label value of series beyond the cap.
pub(super) const OTHER: &str = "other";

/// A label's value.
#[derive(Debug, Clone, Eq)]
pub(super) enum Label {
    Fixed(&'static str),
    Shared(Arc<str>),
}

pub(super) type Labels = Box<[Label]>;

#[derive(Debug, Clone)]
pub(super) struct MetricSample {
    pub(super) labels: Labels,
    pub(super) value: SampleValue,
    /// The exemplars of a histogram, if exchanges are traced.
    pub(super) exemplars: Option<Box<Exemplars>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SampleValue {
    Number(f64),
    Histogram(HistogramTotals),
}

impl SampleValue {
    /// A value that only grows has begun anew.
    pub(super) fn is_below(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Number(now), Self::Number(before)) => now < before,
            (Self::Histogram(now), Self::Histogram(before)) => now.is_below(before),
            _ => false,
        }
    }

    pub(super) fn combined(self, other: Option<Self>, combine: Combine) -> Self {
        match (self, other) {
            (Self::Number(a), Some(Self::Number(b))) => Self::Number(match combine {
                Combine::Sum => a + b,
                Combine::Max => a.max(b),
                Combine::Min => a.min(b),
            }),
            (Self::Histogram(mut a), Some(Self::Histogram(b))) => {
                a.add(&b);
                Self::Histogram(a)
            }
            (value, _) => value,
        }
    }
}

impl Label {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Hash for Label {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}
