//! Finds the API that is served under a host, among those at one base path: an exact name, else the
//! longest wildcard, else any host.

use hashbrown::HashMap;

use crate::model::api::{HostPattern, PathRules};
use crate::model::names::ApiSlot;

type Names = HashMap<Box<str>, ServedApi, foldhash::quality::RandomState>;

/// An API and the root of its operations.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServedApi {
    pub(super) api: ApiSlot,
    pub(super) operations: usize,
    pub(super) paths: PathRules,
}

/// The APIs at one base path, by host.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    any: Option<ServedApi>,
    exact: Names,
    below: Names,
}

impl Hosts {
    /// The first API to name a host keeps it: configuration has refused the second.
    pub(super) fn add(&mut self, patterns: &[HostPattern], served: ServedApi) {
        if patterns.is_empty() {
            self.any.get_or_insert(served);
        }
        for pattern in patterns {
            match pattern {
                HostPattern::Exact(name) => {
                    self.exact.entry(name.as_str().into()).or_insert(served)
                }
                HostPattern::Below(suffix) => {
                    self.below.entry(suffix.as_str().into()).or_insert(served)
                }
            };
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.any.is_none() && self.exact.is_empty() && self.below.is_empty()
    }

    pub(super) fn find(&self, host: &str) -> Option<ServedApi> {
        let exact = if self.exact.is_empty() { None } else { self.exact.get(host) };
        exact.or_else(|| self.below(host)).copied().or(self.any)
    }

    fn below(&self, host: &str) -> Option<&ServedApi> {
        if self.below.is_empty() {
            return None;
        }
        let borders =
            host.match_indices('.').map(|(border, _)| border).filter(|border| *border > 0);
        borders.filter_map(|border| host.get(border..)).find_map(|suffix| self.below.get(suffix))
    }
}
