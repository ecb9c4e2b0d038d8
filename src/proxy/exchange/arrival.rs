//! The time at which an exchange is counted.

use crate::limiter::time::ArrivalTime;
use crate::proxy::exchange::Exchange;

impl Exchange {
    /// Notes a wait that has no span.
    pub(in crate::proxy) fn waited_unseen(&mut self) {
        self.has_waited = true;
    }

    /// The time at which the request came, as long as no step has waited.
    pub(in crate::proxy) fn arrival(&self) -> Option<ArrivalTime> {
        let moment = || self.worker.clock().moment_of(self.started);
        (!self.has_waited).then(|| ArrivalTime { moment: moment(), wall: self.began.0 })
    }
}
