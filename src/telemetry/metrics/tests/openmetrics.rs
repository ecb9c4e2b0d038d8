//! Scrapes in the OpenMetrics format: names, ends, exemplars.

use std::collections::HashSet;
use std::time::Duration;

use http::Method;

use super::measured;
use crate::model::reason::Reason;
use crate::telemetry::metrics::families::ALL;
use crate::telemetry::metrics::{Measured, Metrics, ScrapeFormat};
use crate::telemetry::{TraceId, UnixMillis};

fn scrape(metrics: &Metrics) -> String {
    metrics.scrape(ScrapeFormat::OpenMetrics)
}

#[test]
fn counters_lose_their_suffix_in_the_family_and_keep_it_in_the_sample() {
    let metrics = Metrics::new(1, 100);
    let operation = metrics.operation("a\"b\\c\nd", "1", "/x");
    operation.record(0, &measured(&Method::GET, 200, Reason::Forwarded));
    let text = scrape(&metrics);
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    assert!(text.contains("# TYPE portcullis_requests counter\n# HELP portcullis_requests "));
    let labels = "api=\"a\\\"b\\\\c\\nd\",version=\"1\",operation=\"/x\",method=\"GET\",\
                  status=\"200\",reason=\"forwarded\"";
    assert!(text.contains(&format!("portcullis_requests_total{{{labels}}} 1\n")), "{text}");
    assert!(text.contains("portcullis_requests_in_flight 0\n"));
}

#[test]
fn a_bucket_has_the_last_exchange_that_was_traced() {
    let metrics = Metrics::new(2, 100);
    let operation = metrics.operation("a", "1", "/x");
    let exchange = |trace: u128, millis: u64, at: u64| Measured {
        observed: None,
        total: Duration::from_millis(millis),
        exported: Some((TraceId::random(trace), UnixMillis(at))),
        ..measured(&Method::GET, 200, Reason::Forwarded)
    };
    operation.record(0, &exchange(1, 7, 1_000_000));
    operation.record(1, &exchange(2, 8, 1_000_250));
    operation.record(0, &exchange(3, 60_000, 1_000_001));
    operation.record(0, &measured(&Method::GET, 200, Reason::Forwarded));
    let text = scrape(&metrics);
    let bucket = |bound: &str| {
        let start = format!(
            "portcullis_request_duration_seconds_bucket{{api=\"a\",version=\"1\",le=\"{bound}\"}} "
        );
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{bound}: {text}")).to_owned()
    };
    let exemplar = format!(" # {{trace_id=\"{:032x}\"}} 0.008 1000.250", 2);
    assert!(bucket("0.01").ends_with(&exemplar), "{}", bucket("0.01"));
    assert!(bucket("+Inf").ends_with(&format!("{{trace_id=\"{:032x}\"}} 60 1000.001", 3)));
    assert!(!bucket("1.0").contains('#'));
    assert!(!metrics.render().contains("trace_id"), "the text format has none");
}

#[test]
fn no_two_families_have_one_name() {
    // OpenMetrics takes the end off the names of counters
    let names = ALL.iter().map(|family| family.name.strip_suffix("_total").unwrap_or(family.name));
    let mut seen = HashSet::new();
    let twice: Vec<_> = names.filter(|name| !seen.insert(*name)).collect();
    assert_eq!(twice, [""; 0]);
}
