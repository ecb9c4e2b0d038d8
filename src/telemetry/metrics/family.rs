//! The facts about a metric besides its values.

/// One family of the scrape.
#[derive(Debug)]
pub(super) struct FamilyDefinition {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricKind,
    pub(super) labels: &'static [&'static str],
    pub(super) scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricKind {
    Counter,
    Gauge(Combine),
    Histogram,
}

/// The way to combine gauges that did not get a series of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Combine {
    Sum,
    Max,
    Min,
}

/// The fact that the number of label sets grows with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Fixed(usize),
    /// Operation x method x (reason or status).
    Exchanges,
    Apis,
    /// API x refusal that can be observed.
    Observed,
    /// Application x reason, if exchanges are counted by application.
    Applications,
    /// So many for each listener.
    Listeners(usize),
    KeyManagers,
    /// Key manager x fetch result.
    Fetches,
    /// Key manager x outcome of an introspection.
    Questions,
    /// Key manager x reason why a key is not usable.
    Skips,
    /// Key manager x outcome of waiting for keys.
    Waits,
    /// Key manager x state of a key in a rotation.
    KeyStates,
    /// So many for each key manager.
    Organizations(usize),
    /// So many for each throttling policy and hard limit.
    Policies(usize),
    /// Listed key managers and templates, so many for each.
    Judges(usize),
    /// Key managers, and backends with TLS.
    Servers,
    /// One for each file of certificates and its role.
    Certificates,
    /// One for each family that has labels.
    Families,
}

pub(super) const fn family(
    name: &'static str,
    kind: MetricKind,
    labels: &'static [&'static str],
    scale: Scale,
    help: &'static str,
) -> FamilyDefinition {
    FamilyDefinition { name, help, kind, labels, scale }
}

impl FamilyDefinition {
    /// Tells whether `max_series` holds for the family. The counter of overflows is as long as this
    /// file and no longer.
    pub(super) fn capped(&self) -> bool {
        !self.labels.is_empty() && self.scale != Scale::Families
    }
}
