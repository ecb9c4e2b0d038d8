use std::thread;
use std::time::Duration;

use http::Method;

use super::*;
use crate::model::reason::Reason;

fn measured(method: &Method, status: u16, reason: Reason) -> Measured<'_> {
    Measured { method, status, reason, total: Duration::from_millis(3), backend: None, received_bytes: 1, sent_bytes: 2 }
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn what_workers_count_at_the_same_time_adds_up() {
    let metrics = Metrics::new(4, 1000);
    let series = metrics.operation("accounts", "1", "/a");
    thread::scope(|scope| {
        for worker in 0..4 {
            let series = &series;
            scope.spawn(move || (0..10_000).for_each(|_| series.record(worker, &measured(&Method::GET, 200, Reason::Forwarded))));
        }
    });
    let text = metrics.render();
    let counted =
        "portcullis_requests_total{api=\"accounts\",method=\"GET\",operation=\"/a\",reason=\"forwarded\",status=\"200\",version=\"1\"}";
    assert_eq!(value(&text, counted), Some(40_000.0), "{text}");
    assert_eq!(value(&text, "portcullis_request_duration_seconds_count{api=\"accounts\",version=\"1\"}"), Some(40_000.0));
}

#[test]
fn the_cap_holds_and_no_counter_falls() {
    let metrics = Metrics::new(1, 3);
    let operations: Vec<_> = (0..10).map(|at| metrics.operation("api", "1", &format!("/{at}"))).collect();
    let mut last = 0.0;
    for round in 1..=5_u32 {
        for operation in &operations {
            operation.record(0, &measured(&Method::GET, 200, Reason::Forwarded));
        }
        let text = metrics.render();
        let series = text.lines().filter(|line| line.starts_with("portcullis_requests_total{")).count();
        assert_eq!(series, 4, "three and the other one: {text}");
        let total: f64 = text
            .lines()
            .filter(|line| line.starts_with("portcullis_requests_total{"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        assert!((total - f64::from(round) * 10.0).abs() < 1e-9, "nothing is lost");
        assert!(total > last);
        last = total;
    }
    assert_eq!(value(&metrics.render(), "portcullis_metrics_series_overflow_total{family=\"portcullis_requests_total\"}"), Some(7.0));
}

#[test]
fn a_removed_api_is_gone_and_an_old_one_goes_on() {
    let metrics = Metrics::new(1, 1000);
    let kept = metrics.operation("kept", "1", "/a");
    let gone = metrics.operation("gone", "1", "/a");
    for series in [&kept, &gone] {
        series.record(0, &measured(&Method::GET, 401, Reason::MissingCredentials));
    }
    drop(gone);
    let again = metrics.operation("kept", "1", "/a");
    again.record(0, &measured(&Method::GET, 401, Reason::MissingCredentials));
    let text = metrics.render();
    assert!(!text.contains("api=\"gone\""), "{text}");
    assert!(
        text.contains("api=\"kept\",method=\"GET\",operation=\"/a\",reason=\"missing_credentials\",status=\"401\",version=\"1\"} 2"),
        "{text}"
    );
}

#[test]
fn every_line_is_of_the_format() {
    let metrics = Metrics::new(2, 1000);
    let listener = metrics.listener("a\"b\\c\nd");
    listener.opened(0);
    metrics.unrouted().record(1, &measured(&Method::from_bytes(b"BREW").unwrap(), 404, Reason::ApiNotFound));
    let text = metrics.render();
    for line in text.lines() {
        let comment = line.starts_with("# HELP ") || line.starts_with("# TYPE ");
        assert!(comment || line.rsplit(' ').next().is_some_and(|number| number.parse::<f64>().is_ok()), "{line}");
    }
    assert!(text.contains("portcullis_connections{listener=\"a\\\"b\\\\c\\nd\"} 1"), "{text}");
    assert!(text.contains("method=\"other\""));
}
