//! The parts that the whole process shares.

use std::sync::Arc;

use crate::budget::descriptors::Descriptors;
use crate::limiter::shared::SharedLimiter;
use crate::model::Model;
use crate::model::clock::Clock;
use crate::supervise::clock::SystemClock;
use crate::supervise::clock_watch::{self, ClockReading};
use crate::supervise::{certificates, descriptors, facts, workers};
use crate::telemetry::Metrics;

pub(super) struct Process {
    /// The number of workers.
    pub(super) workers: usize,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    /// The reading of both clocks at the start.
    pub(super) first_reading: Option<ClockReading>,
    pub(super) limiter: Arc<SharedLimiter>,
    pub(super) descriptors: Arc<Descriptors>,
}

impl Process {
    pub(super) fn of(model: &Model) -> Self {
        let workers = workers::count(model.gateway.workers);
        let metrics = facts::counting(workers, &model.telemetry);
        metrics.certificates(certificates::facts(model));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let division = descriptors::division(model, descriptors::limit(false));
        Self {
            workers,
            metrics,
            first_reading: clock_watch::read(&*clock),
            clock,
            limiter: Arc::default(),
            descriptors: Arc::new(Descriptors::new(division)),
        }
    }
}
