//! `[telemetry.traces]`: addresses of collectors, and refused values.

use std::time::Duration;

use super::{load_text, report};
use crate::model::gateway::TraceSettings;

fn traces(keys: &str) -> Option<TraceSettings> {
    let loaded = load_text(&format!("[telemetry]\ntraces = {{ {keys} }}\n"));
    loaded.unwrap_or_else(|report| panic!("{report}")).model.telemetry.traces
}

#[test]
fn a_collector_has_an_address_and_defaults() {
    assert_eq!(traces(""), None);
    assert_eq!(traces("otlp = \"none\", sample = 0.5, slow = \"2s\""), None);
    for (written, url) in [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://c.example/otlp", "https://c.example/otlp/v1/traces"),
        ("https://c.example/v1/traces", "https://c.example/v1/traces"),
    ] {
        let found = traces(&format!("otlp = \"{written}\"")).unwrap();
        assert_eq!((found.url.as_str(), found.slow), (url, Duration::from_secs(1)));
        assert!((found.sample - 0.01).abs() < f64::EPSILON);
    }
    let keys =
        "otlp = \"https://c\", sample = 1, slow = \"250ms\", authorization = \"Bearer s3cret\"";
    let found = traces(keys).unwrap();
    assert_eq!(
        (found.sample.to_bits(), found.slow),
        (1.0_f64.to_bits(), Duration::from_millis(250))
    );
    assert!(!format!("{found:?}").contains("s3cret"));
}

#[test]
fn what_is_not_a_collector_is_refused() {
    for (keys, words) in [
        ("otlp = \"collector:4318\"", "not an address"),
        ("otlp = \"grpc://collector:4317\"", "gRPC"),
        ("otlp = \"https://u:s3cret@c\"", "not an address"),
        ("otlp = \"https://c?token=x\"", "not an address"),
        ("otlp = \"http://c\", authorization = \"s3cret\"", "plain http"),
        ("otlp = \"https://c\", authorization = \"s3\\u0007cret\"", "not the value of a header"),
        ("otlp = \"https://c\", sample = 1.5", "telemetry.traces.sample"),
        ("otlp = \"https://c\", slow = \"0s\"", "longer than 0"),
        ("otlp = \"https://c\", ca = \"none.pem\"", "none.pem"),
        ("otlp = \"https://c\", protocol = \"grpc\"", "is not a key"),
    ] {
        let report = report(&format!("[telemetry]\ntraces = {{ {keys} }}\n"));
        assert!(report.contains(words) && !report.contains("s3cret"), "{words}: {report}");
    }
}

#[test]
fn keys_without_a_collector_are_warned_of() {
    let loaded = load_text("[telemetry]\ntraces = { authorization = \"x\" }\n").unwrap();
    assert!(loaded.warnings.to_string().contains("does nothing without a collector"));
}
