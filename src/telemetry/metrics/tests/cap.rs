//! The cap on series, and that no count falls because of it.

use http::Method;

use super::scrape::Scrape;
use super::{StillClock, key_manager, measured};
use crate::model::reason::Reason;
use crate::telemetry::metrics::operation::METHODS;
use crate::telemetry::metrics::*;

#[test]
fn a_full_family_sums_the_rest_and_stays_so() {
    let metrics = Metrics::new(1, 10);
    let mut operations: Vec<_> =
        (0..8).map(|number| metrics.operation("a", "1", &format!("/{number}"))).collect();
    let exchange = measured(&Method::GET, 200, Reason::Forwarded);
    record_each(&operations, &exchange);
    let before = Scrape::of(&metrics);
    assert_eq!(before.count("portcullis_requests_total"), 8);
    assert_eq!(overflow(&before, "portcullis_requests_total"), 0.0);

    // these sort before the first, and come later all the same
    let late: Vec<_> =
        (0..8).map(|number| metrics.operation("a", "1", &format!("!{number}"))).collect();
    record_each(&late, &exchange);
    record_each(&operations, &exchange);
    let full = Scrape::of(&metrics);
    full.assert_not_below(&before);
    assert_eq!(full.count("portcullis_requests_total"), 10);
    assert_eq!(full.sum("portcullis_requests_total", &[]), 24.0);
    assert_eq!(full.one("portcullis_requests_total", &[("operation", "/7")]), 2.0);
    let other =
        ["api", "version", "operation", "method", "status", "reason"].map(|label| (label, "other"));
    assert_eq!(full.one("portcullis_requests_total", &other), 7.0);
    assert_eq!(overflow(&full, "portcullis_requests_total"), 7.0);

    // a summed label set disappears, but its share of the sum stays, and a named one keeps its
    // series
    drop(late);
    operations.truncate(4);
    let newest = metrics.operation("a", "1", "/new");
    newest.record(0, &exchange);
    let after = Scrape::of(&metrics);
    after.assert_not_below(&full);
    assert_eq!(after.one("portcullis_requests_total", &other), 7.0);
    assert_eq!(after.one("portcullis_requests_total", &[("operation", "/new")]), 1.0);
    assert_eq!(overflow(&after, "portcullis_requests_total"), 7.0);
}

#[test]
fn what_is_summed_is_not_named_later() {
    let metrics = Metrics::new(1, 2);
    let exchange = measured(&Method::GET, 200, Reason::Forwarded);
    let named = metrics.operation("a", "1", "/a");
    named.record(0, &exchange);
    Scrape::of(&metrics);
    let summed = metrics.operation("a", "1", "/b");
    summed.record(0, &exchange);
    let before = Scrape::of(&metrics);
    drop(named);
    summed.record(0, &exchange);
    let after = Scrape::of(&metrics);
    after.assert_not_below(&before);
    assert_eq!(after.one("portcullis_requests_total", &[("operation", "other")]), 2.0);
    assert_eq!(after.count("portcullis_requests_total"), 1);
}

#[test]
fn what_is_summed_may_go_and_come_back_between_two_scrapes() {
    let metrics = Metrics::new(1, 1);
    let exchange = measured(&Method::GET, 200, Reason::Forwarded);
    let operation = metrics.operation("a", "1", "/");
    record_each(&[(); 5].map(|()| Arc::clone(&operation)), &exchange);
    let before = Scrape::of(&metrics);
    drop(operation);
    let again = metrics.operation("a", "1", "/");
    record_each(&[(); 2].map(|()| Arc::clone(&again)), &exchange);
    let after = Scrape::of(&metrics);
    after.assert_not_below(&before);
    assert_eq!(after.one("portcullis_requests_total", &[]), 7.0);
    assert_eq!(after.one("portcullis_request_duration_seconds_count", &[("api", "other")]), 7.0);
    assert_eq!(after.one("portcullis_response_bytes_total", &[("api", "other")]), 700.0);
}

#[test]
fn histograms_are_capped_by_their_series() {
    let limit = 3 * histogram::HISTOGRAM_SERIES + 1;
    let metrics = Metrics::new(1, limit);
    let operations: Vec<_> =
        (0..5).map(|number| metrics.operation(&format!("api-{number}"), "1", "/")).collect();
    record_each(&operations, &measured(&Method::GET, 200, Reason::Forwarded));
    let scrape = Scrape::of(&metrics);
    assert!(scrape.count("portcullis_request_duration_seconds") <= limit);
    assert_eq!(scrape.sum("portcullis_request_duration_seconds_count", &[]), 5.0);
    assert_eq!(scrape.one("portcullis_request_duration_seconds_count", &[("api", "other")]), 4.0);
}

#[test]
fn an_api_named_other_shares_the_sum() {
    let metrics = Metrics::new(1, 2);
    let operations = [metrics.operation("other", "other", "/"), metrics.operation("x", "1", "/")];
    record_each(&operations, &measured(&Method::GET, 200, Reason::Forwarded));
    let scrape = Scrape::of(&metrics);
    assert_eq!(scrape.sum("portcullis_request_bytes_total", &[]), 20.0);
    assert!(scrape.count("portcullis_request_bytes_total") <= 2);
}

#[test]
fn a_capped_gauge_shows_the_worst() {
    let metrics = Metrics::new(1, 1);
    metrics.key_managers(Box::new(|| {
        vec![key_manager("is7", Some(12.5)), key_manager("okta", Some(3.0)), key_manager("x", None)]
    }));
    let scrape = Scrape::of(&metrics);
    let other = ("key_manager", "other");
    assert_eq!(scrape.one("portcullis_key_set_age_seconds", &[other]), 12.5);
    assert_eq!(scrape.one("portcullis_key_set_usable", &[other]), 0.0);
    assert_eq!(scrape.one("portcullis_key_set_keys", &[other]), 6.0);
}

#[test]
fn the_prediction_is_what_a_fully_exercised_gateway_shows() {
    let expected = ExpectedLoad {
        policies: 2,
        certificates: 1,
        servers: 1,
        applications: 2,
        apis: 2,
        operation_methods: 3 * METHODS.len(),
        listeners: 2,
        key_managers: 2,
        templates: 1,
        judges: 2,
        fetch_results: 2,
        skip_reasons: 1,
    };
    for max_series in [100_000, 100, 1] {
        let metrics = Metrics::new(2, max_series);
        let held = exercise(&metrics);
        let scrape = Scrape::of(&metrics);
        for FamilySeries { family, worst_case, capped } in worst_case_series(&expected, max_series)
        {
            assert_eq!(scrape.count(family), capped, "{family} of at most {max_series}");
            assert!(capped <= worst_case);
        }
        drop(held);
    }
    assert!(
        worst_case_series(&expected, usize::MAX)
            .iter()
            .all(|family| family.capped == family.worst_case)
    );
}

type Held = (
    Vec<Arc<OperationSeries>>,
    [Arc<ListenerSeries>; 2],
    [Arc<IntrospectionCounters>; 2],
    [Arc<PolicySeries>; 2],
    [Arc<KeyManagerSeries>; 2],
);

/// Counts everything that a gateway with these APIs, policies and key managers can show.
fn exercise(metrics: &Metrics) -> Held {
    let operations = every_exchange(metrics);
    show_key_managers(metrics);
    let policies = every_policy(metrics);
    let introspections = [metrics.introspection("is7"), metrics.introspection("okta")];
    show_identity(metrics);
    metrics.store_in_force(1);
    let kinds = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"];
    metrics.store_has(kinds.map(|kind| (kind, 1)).to_vec());
    let listeners = [metrics.listener("http"), metrics.listener("https")];
    (operations, listeners, introspections, policies, every_judge(metrics))
}

/// Counts every method, status and reason on three operations of two APIs, and on requests that
/// matched none.
fn every_exchange(metrics: &Metrics) -> Vec<Arc<OperationSeries>> {
    let labels = [
        ("a", "/1"),
        ("a", "/2"),
        ("b", "/1"),
        ("a", UNMATCHED_OPERATION),
        ("b", UNMATCHED_OPERATION),
    ];
    let mut operations: Vec<_> =
        labels.iter().map(|(api, operation)| metrics.operation(api, "1", operation)).collect();
    operations.push(metrics.unrouted());
    metrics.traces();
    metrics.keep_statistics(Arc::new(StillClock));
    for operation in &operations {
        for reason in Reason::OBSERVABLE {
            let forwarded = measured(&Method::GET, 200, Reason::Forwarded);
            operation.record(0, &Measured { observed: Some(reason), ..forwarded });
        }
        for method in METHODS.map(|name| Method::from_bytes(name.as_bytes()).unwrap()) {
            for status in 100..600 {
                operation.record(1, &measured(&method, status, Reason::Forwarded));
            }
            for reason in Reason::ALL.iter().filter(|reason| **reason != Reason::Forwarded) {
                operation.record(0, &measured(&method, 400, *reason));
            }
        }
    }
    operations
}

/// Counts every reason, and a token that was verified.
fn every_judge(metrics: &Metrics) -> [Arc<KeyManagerSeries>; 2] {
    let judges = [metrics.key_manager("is7"), metrics.key_manager("okta")];
    for judge in &judges {
        for reason in Reason::ALL {
            judge.record(0, *reason);
        }
        judge.token_issued(UnixSeconds(1), UnixSeconds(2));
    }
    judges
}

fn show_key_managers(metrics: &Metrics) {
    metrics.key_managers(Box::new(|| {
        vec![key_manager("is7", Some(1.0)), key_manager("okta", Some(2.0))]
    }));
    let kinds = ["token", "holder"];
    metrics.revocations(move || RevocationFacts {
        held: kinds.map(|kind| (kind, 1)).to_vec(),
        applied: ["management", "channel", "journal"]
            .iter()
            .flat_map(|source| kinds.map(|kind| (kind, *source, 1)))
            .collect(),
        channel: Some(ChannelFacts {
            messages: vec![("read", 1), ("unreadable", 1)],
            claims: vec![("first", 1), ("taken", 1), ("unanswered", 1)],
            ..ChannelFacts::default()
        }),
        ..RevocationFacts::default()
    });
}

fn every_policy(metrics: &Metrics) -> [Arc<PolicySeries>; 2] {
    let policies =
        [metrics.policy("Gold", "subscription"), metrics.policy("Silver", "subscription")];
    for policy in &policies {
        policy.refused();
        policy.marked();
        policy.observed();
    }
    metrics.counters(|| CounterFacts {
        of_all_gateways: Some(SharedCounterFacts::default()),
        ..CounterFacts::default()
    });
    policies
}

fn show_identity(metrics: &Metrics) {
    let organizations = OrganizationFacts {
        key_manager: "is7".to_owned(),
        states: [("live", 1), ("on_trial", 2), ("closed", 3)],
        events: [
            ("opened", 1),
            ("absent", 2),
            ("unavailable", 3),
            ("too_many", 4),
            ("evicted", 5),
            ("full", 6),
        ],
    };
    let budgets = ["unknown_tokens", "invalid_tokens", "new_organizations"]
        .map(|budget| BudgetFacts { budget, sources: 1, forgotten: 2, refused: 3 });
    metrics.certificates(vec![CertificateFacts {
        role: "listener",
        file: "chain.pem".to_owned(),
        not_after: 1,
    }]);
    let application = metrics.count_applications(1);
    for application in [application.of("a", "o"), application.of("b", "o")] {
        for reason in Reason::ALL {
            application.record(0, *reason);
        }
    }
    let servers = ["a", "b", "c"].map(|server| ServerCertificateFacts {
        role: "backend",
        server: server.to_owned(),
        not_after: 1,
    });
    metrics.identity(Box::new(move || IdentityFacts {
        server_certificates: servers.to_vec(),
        organizations: vec![organizations.clone()],
        budgets: budgets.to_vec(),
        ..IdentityFacts::default()
    }));
}

fn overflow(scrape: &Scrape, family: &str) -> f64 {
    scrape.one("portcullis_metrics_series_overflow_total", &[("family", family)])
}

fn record_each(operations: &[Arc<OperationSeries>], exchange: &Measured<'_>) {
    for operation in operations {
        operation.record(0, exchange);
    }
}
