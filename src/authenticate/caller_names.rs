//! The names of a token's application, which outlive the snapshot, and the results of looking them
//! up once for each token.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::authenticate::level_memory::LevelMemory;
use crate::limiter::key::{Fingerprint, KeySpace};
use crate::model::application::KeyType;
use crate::telemetry::{
    ApplicationRegistry, ApplicationSeries, CallStatistics, CountedCalls, Fragment, OperationSeries,
};

/// The application that a token was issued for, as logs and backends call it.
#[derive(Debug)]
pub struct CallerNames {
    pub application: Box<str>,
    pub owner: Box<str>,
    key_type: KeyType,
    /// The part of log lines about it and its token.
    pub logged: Fragment,
    series: OnceCell<Arc<ApplicationSeries>>,
    /// The statistics of the APIs that the token was used at.
    calls: RefCell<SmallVec<[CountedCalls; 1]>>,
    /// The name that its counters have, for the secret of them.
    counted: Cell<Option<(KeySpace, Fingerprint)>>,
    /// The levels that its requests count against.
    pub levels: LevelMemory,
}

/// A token is used at few APIs. One that is used at more of them in turn asks for its statistics
/// again, now and then.
const MOST_APIS: usize = 16;

impl CallerNames {
    pub(super) fn new(application: &str, owner: &str, key_type: KeyType) -> Self {
        Self {
            application: application.into(),
            owner: owner.into(),
            key_type,
            logged: Fragment::default(),
            series: OnceCell::new(),
            calls: RefCell::default(),
            counted: Cell::default(),
            levels: LevelMemory::default(),
        }
    }

    /// Returns the series of the application, found once for each verdict.
    pub fn series(&self, registry: &ApplicationRegistry) -> &ApplicationSeries {
        self.series.get_or_init(|| registry.of(&self.application, &self.owner))
    }

    /// Counts a call at the API of an operation. The statistics are looked up once for each API.
    pub fn count_call(
        &self,
        statistics: &CallStatistics,
        operation: &OperationSeries,
        count: impl FnOnce(&CountedCalls),
    ) {
        let mut calls = self.calls.borrow_mut();
        if let Some(known) = calls.iter().find(|calls| calls.is_at(operation)) {
            return count(known);
        }
        if calls.len() >= MOST_APIS {
            calls.clear();
        }
        let found = statistics.of(&self.application, &self.owner, operation);
        count(&found);
        calls.push(found);
    }

    /// Returns the fingerprint by which counters know the application, made once for each token.
    pub fn fingerprint(&self, keys: KeySpace) -> Fingerprint {
        if let Some((_, known)) = self.counted.get().filter(|(space, _)| *space == keys) {
            return known;
        }
        let made = keys.application(&self.owner, &self.application);
        self.counted.set(Some((keys, made)));
        made
    }

    pub(super) fn is(&self, application: &str, owner: &str, key_type: KeyType) -> bool {
        *self.application == *application && *self.owner == *owner && self.key_type == key_type
    }
}
