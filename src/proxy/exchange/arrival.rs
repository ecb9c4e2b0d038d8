//! The time at which an exchange is counted.

use crate::limiter::time::ArrivalTime;
use crate::proxy::exchange::Exchange;

impl Exchange {
    /// Notes a wait that has no span.
    pub(in crate::proxy) fn waited_unseen(&mut self) {
        self.has_waited = true;
    }

    /// Returns the time of the request's arrival, unless a step has waited.
    pub(in crate::proxy) fn arrival(&self) -> Option<ArrivalTime> {
        let moment = || self.worker.clock().moment_of(self.started);
        (!self.has_waited).then(|| ArrivalTime { moment: moment(), wall: self.began.0 })
    }
}
