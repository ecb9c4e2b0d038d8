//! The worker's clock: deadlines, overdue connections, streams whose authorization is over, health
//! checks, the access log.

use std::rc::Rc;
use std::time::Instant;

use tokio::time::{MissedTickBehavior, interval};

use crate::deadline::{TICK, ticks};
use crate::forward::health_checks;
use crate::listen::local_worker::LocalWorker;
use crate::proxy::connection::ConnectionClosing;

/// Ticks until the worker ends.
pub(super) async fn tick(worker: Rc<LocalWorker>) {
    const EACH_SECOND: u64 = 20;
    const LOG_FLUSH: u64 = 2;
    let started = Instant::now();
    let mut ticker = interval(TICK);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn: u64 = 0;
    // idle clients have a second to use their connection once more
    let mut drained: u64 = 0;
    let mut last = started;
    let mut late = false;
    loop {
        ticker.tick().await;
        let now = Instant::now();
        // twice in a row: one late tick is the machine's, not the load's
        let late_again = worker
            .limits()
            .max_loop_delay
            .is_some_and(|most| now.saturating_duration_since(last) > most.saturating_add(TICK));
        worker.shared().set_overloaded(late && late_again);
        (late, last) = (late_again, now);
        turn = turn.wrapping_add(1);
        let deadlines = worker.deadlines();
        deadlines.advance(ticks(started.elapsed()).saturating_sub(deadlines.now()));
        worker.shared().cache().set_moment(worker.shared().clock().moment());
        worker.shared().idle().tick(deadlines.now());
        if turn.is_multiple_of(LOG_FLUSH) {
            worker.shared().access_log().flush();
            if let Some(tracer) = worker.shared().tracer() {
                tracer.flush();
            }
        }
        let snapshot = worker.shared().snapshots().load();
        health_checks::check(worker.shared().forwarder(), &snapshot.routes.checked);
        if !worker.shared().stream_authorizations().is_empty() {
            let revocations = worker.shared().cache().revocations();
            worker.shared().stream_authorizations().sweep(
                &snapshot,
                revocations,
                worker.shared().clock().milliseconds(),
                deadlines.now(),
            );
        }
        drop(snapshot);
        if turn.is_multiple_of(EACH_SECOND) {
            worker.sweep();
        }
        if worker.is_draining() {
            drained = drained.saturating_add(1);
            if drained == EACH_SECOND {
                worker
                    .each_connection(|connection| connection.close(ConnectionClosing::Gracefully));
            }
        }
    }
}
