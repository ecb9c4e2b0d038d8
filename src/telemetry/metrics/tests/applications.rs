//! Counts by application: bounded, and absent unless they are wanted.

use super::scrape::Scrape;
use crate::model::reason::Reason;
use crate::telemetry::metrics::Metrics;

const FAMILY: &str = "portcullis_application_requests_total";

#[test]
fn applications_beyond_the_bound_share_a_series() {
    let metrics = Metrics::new(2, 100);
    assert_eq!(Scrape::of(&metrics).count(FAMILY), 0);
    let registry = metrics.count_applications(2);
    for (application, owner, worker) in
        [("a", "o", 0), ("a", "o", 1), ("a", "p", 0), ("b", "o", 0), ("c", "o", 1)]
    {
        registry.of(application, owner).record(worker, Reason::Forwarded);
    }
    registry.of("a", "o").record(0, Reason::InsufficientScope);
    let scrape = Scrape::of(&metrics);
    let count = |application, owner, reason| {
        scrape.sum(FAMILY, &[("application", application), ("owner", owner), ("reason", reason)])
    };
    assert_eq!(count("a", "o", "forwarded"), 2.0);
    assert_eq!(count("a", "o", "insufficient_scope"), 1.0);
    assert_eq!(count("a", "p", "forwarded"), 1.0);
    assert_eq!(count("other", "other", "forwarded"), 2.0);
    assert_eq!(scrape.count(FAMILY), 4);
}
