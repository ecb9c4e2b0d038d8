//! Sampling, the queue's bound, and the form that collectors read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Version};
use serde_json::{Value, json};

use super::*;
use crate::model::reason::Reason;
use crate::telemetry::UnixMillis;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const SLOW: Duration = Duration::from_secs(1);

fn client(header: &str) -> TraceContext {
    TraceContext::read(header.as_bytes()).expect("a valid header")
}

fn tracer(share: f64) -> (Tracer, SpanReceiver, Arc<TraceCounters>) {
    let counters = Arc::<TraceCounters>::default();
    let (parts, receiver) = TracerParts::new(share, SLOW, Arc::clone(&counters));
    (parts.tracer(0x0123_4567_89ab_cdef), receiver, counters)
}

#[test]
fn a_header_is_written_as_it_was_read() {
    assert_eq!(client(PARENT).header(), PARENT.as_bytes());
    let unsampled = PARENT.replace("-01", "-00");
    assert_eq!(client(&unsampled).header(), unsampled.as_bytes());
    // flags that this version does not know, and fields of a later one, are not passed on
    assert_eq!(client(&PARENT.replace("-01", "-ff")).header(), PARENT.as_bytes());
    assert_eq!(client(&PARENT.replacen("00", "cc", 1)).header(), PARENT.as_bytes());
}

#[test]
fn the_client_decides_and_the_ids_where_it_does_not() {
    let (never, ..) = tracer(0.0);
    let (always, ..) = tracer(1.0);
    for _ in 0..1000 {
        assert!(!never.begin(None).is_sampled());
        assert!(always.begin(None).is_sampled());
    }
    assert!(never.begin(Some(client(PARENT))).is_sampled());
    assert!(!always.begin(Some(client(&PARENT.replace("-01", "-00")))).is_sampled());
    let (some, ..) = tracer(0.01);
    let sampled = (0..100_000).filter(|_| some.begin(None).is_sampled()).count();
    assert!((800..1200).contains(&sampled), "{sampled} of 100,000 at 1 %");
}

#[test]
fn the_last_56_bits_decide_as_in_opentelemetry() {
    // the rejection threshold of 25 % is 0xc0000000000000: traces from there on are kept
    let (quarter, ..) = tracer(0.25);
    let samples = |id| quarter.samples(TraceId::random(id));
    assert!(!samples(0xffff_ffff_ffff_ffff_ffbf_ffff_ffff_ffff));
    assert!(samples(0x0000_0000_0000_0001_00c0_0000_0000_0000));
    assert!(samples(0x0000_0000_0000_0001_00ff_ffff_ffff_ffff));
}

#[test]
fn ids_do_not_repeat() {
    let (tracer, ..) = tracer(1.0);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10_000 {
        let trace = tracer.begin(None);
        assert!(seen.insert(trace.trace.to_string()));
        let backend = trace.for_backend().expect("the gateway's own");
        assert!(seen.insert(backend.span.to_string()));
        assert_eq!(backend.trace, trace.trace);
    }
}

#[test]
fn failures_and_slow_exchanges_are_exported_whatever_was_decided() {
    let (tracer, ..) = tracer(0.0);
    let trace = tracer.begin(None);
    let just_below = SLOW.saturating_sub(Duration::from_nanos(1));
    assert!(!tracer.wants(&trace, false, just_below));
    assert!(tracer.wants(&trace, false, SLOW));
    assert!(tracer.wants(&trace, true, Duration::ZERO));
    let passed_on = ExchangeTrace::of_client(client(PARENT));
    assert!(!tracer.wants(&passed_on, true, SLOW), "the gateway does not trace");
    assert_eq!(passed_on.for_backend(), None);
}

fn exchange(tracer: &Tracer) -> ExchangeSpans {
    let trace = tracer.begin(Some(client(PARENT)));
    let (id, parent, sampled) = (trace.trace, trace.parent(), trace.is_sampled());
    let (server, backend, _) = trace.into_own().expect("the gateway's own");
    ExchangeSpans {
        trace: id,
        parent,
        sampled,
        began: UnixMillis(1_795_737_600_123),
        server: ServerSpan {
            id: server,
            duration: Duration::from_millis(7),
            method: Method::GET,
            scheme: "https",
            protocol: Version::HTTP_2,
            host: "api.bank.example".to_owned(),
            port: Some(443),
            path: "/accounts/1.0.0/accounts/42".to_owned(),
            route: Some("/accounts/1.0.0/accounts/{id}".to_owned()),
            status: Some(200),
            reason: Reason::Forwarded,
            failed: false,
            client: [192, 0, 2, 1].into(),
            peer: SocketAddr::from(([10, 0, 0, 1], 4711)),
            request_id: "id-1".to_owned(),
            api: Some(("accounts".to_owned(), "1.0.0".to_owned())),
            application: Some("app".to_owned()),
            key_manager: Some("is7".to_owned()),
            request_bytes: 0,
            response_bytes: 12,
        },
        waits: vec![ChildSpan {
            id: tracer.span(),
            name: "introspection",
            started: Duration::from_millis(1),
            duration: Duration::from_millis(2),
            key_manager: Some("is7".to_owned()),
            failed: false,
        }],
        backend: Some(ClientSpan {
            id: backend,
            started: Duration::from_millis(4),
            duration: Duration::from_millis(2),
            host: "10.0.0.9".to_owned(),
            port: Some(8080),
            url: "http://10.0.0.9:8080/accounts/42".to_owned(),
            again: 1,
            status: Some(200),
        }),
    }
}

#[test]
fn the_queue_is_bounded_and_losses_are_counted() {
    let (tracer, mut receiver, counters) = tracer(1.0);
    let spans = exchange(&tracer).count();
    assert_eq!(spans, 3);
    let mut finished = 0;
    while counters.dropped_total(DroppedSpans::QueueFull) == 0 {
        tracer.finish(exchange(&tracer));
        finished += 1;
        assert!(finished < 100_000, "nothing is dropped");
    }
    tracer.flush();
    let mut queued = 0;
    while let Ok(batch) = receiver.try_recv() {
        queued += batch.len();
    }
    assert!(queued <= 10_000, "{queued} wait");
    let dropped = counters.dropped_total(DroppedSpans::QueueFull);
    assert_eq!(((finished - queued) * spans) as u64, dropped);
}

#[test]
fn what_is_kept_is_handed_over_when_the_worker_ends() {
    let (tracer, mut receiver, _) = tracer(1.0);
    tracer.finish(exchange(&tracer));
    drop(tracer);
    assert_eq!(receiver.try_recv().expect("one batch").len(), 1);
}

/// Returns a span's attributes as one object.
fn attributes(span: &Value) -> Value {
    let each = span["attributes"].as_array().expect("a list").iter();
    let pairs = each.map(|one| (one["key"].as_str().unwrap().to_owned(), one["value"].clone()));
    Value::Object(pairs.collect())
}

#[test]
fn an_exchange_is_written_as_the_protocol_wants_it() {
    let (tracer, ..) = tracer(1.0);
    let resource = TraceResource { instance: "i-1".to_owned(), host: "h-1".to_owned() };
    let exchange = exchange(&tracer);
    let written = encode_spans(&resource, std::slice::from_ref(&exchange)).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    let resource = &written["resourceSpans"][0];
    assert_eq!(
        attributes(&resource["resource"])["service.name"],
        json!({ "stringValue": "portcullis" })
    );
    let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
    let [server, wait, backend] = spans.as_slice() else { panic!("{spans:#?}") };
    assert_eq!(server["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(server["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(server["name"], "GET /accounts/1.0.0/accounts/{id}");
    assert_eq!(
        (&server["kind"], &wait["kind"], &backend["kind"]),
        (&json!(2), &json!(1), &json!(3))
    );
    assert_eq!(server["startTimeUnixNano"], "1795737600123000000");
    assert_eq!(server["endTimeUnixNano"], "1795737600130000000");
    assert_eq!(backend["startTimeUnixNano"], "1795737600127000000");
    for child in [wait, backend] {
        assert_eq!(
            (&child["parentSpanId"], &child["traceId"]),
            (&server["spanId"], &server["traceId"])
        );
    }
    let server = attributes(server);
    assert_eq!(server["http.request.method"], json!({ "stringValue": "GET" }));
    assert_eq!(server["http.response.status_code"], json!({ "intValue": "200" }));
    assert_eq!(server["network.protocol.version"], json!({ "stringValue": "2" }));
    assert_eq!(server["client.address"], json!({ "stringValue": "192.0.2.1" }));
    let backend = attributes(backend);
    assert_eq!(backend["server.address"], json!({ "stringValue": "10.0.0.9" }));
    assert_eq!(backend["server.port"], json!({ "intValue": "8080" }));
    assert_eq!(backend["url.full"], json!({ "stringValue": "http://10.0.0.9:8080/accounts/42" }));
    assert_eq!(backend["http.request.resend_count"], json!({ "intValue": "1" }));
}

/// Returns the flags of the spans of one exchange, with the state of its parent.
fn flags(exchange: &ExchangeSpans) -> Vec<u64> {
    let resource = TraceResource { instance: String::new(), host: String::new() };
    let written = encode_spans(&resource, std::slice::from_ref(exchange)).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    let spans = written["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    spans.iter().map(|span| span["flags"].as_u64().unwrap()).collect()
}

#[test]
fn flags_tell_the_decision_and_whose_child_a_span_is() {
    let (tracer, ..) = tracer(1.0);
    let mut exchange = exchange(&tracer);
    assert_eq!(flags(&exchange), [0x301, 0x101, 0x101]);
    // a failure that nobody sampled, of a trace that begins here
    exchange.sampled = false;
    exchange.parent = None;
    assert_eq!(flags(&exchange), [0x100, 0x100, 0x100]);
}

#[test]
fn a_client_that_left_before_an_answer_has_no_status() {
    let (tracer, ..) = tracer(1.0);
    let mut left = exchange(&tracer);
    left.server.status = None;
    left.server.reason = Reason::ClientClosed;
    left.server.failed = true;
    left.server.host = String::new();
    left.backend.as_mut().unwrap().status = None;
    let resource = TraceResource { instance: String::new(), host: String::new() };
    let written = encode_spans(&resource, &[left]).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    let spans = &written["resourceSpans"][0]["scopeSpans"][0]["spans"];
    for at in [0, 2] {
        assert_eq!(spans[at]["status"], json!({ "code": 2 }));
        let attributes = attributes(&spans[at]);
        assert_eq!(attributes.get("http.response.status_code"), None);
        assert_eq!(attributes["error.type"], json!({ "stringValue": "client_closed" }));
    }
    let server = attributes(&spans[0]);
    assert_eq!((server.get("server.address"), server.get("server.port")), (None, None));
}

#[test]
fn a_failure_has_a_status_and_a_type() {
    let (tracer, ..) = tracer(1.0);
    let resource = TraceResource { instance: String::new(), host: String::new() };
    let mut failed = exchange(&tracer);
    failed.server.failed = true;
    failed.server.status = Some(503);
    failed.server.reason = Reason::BackendRefused;
    failed.server.method = Method::from_bytes(b"INVENTED").unwrap();
    failed.server.route = None;
    failed.backend.as_mut().unwrap().status = None;
    let written = encode_spans(&resource, &[failed]).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    let spans = &written["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans[0]["name"], "HTTP");
    for at in [0, 2] {
        assert_eq!(spans[at]["status"], json!({ "code": 2 }));
        let attributes = attributes(&spans[at]);
        assert_eq!(attributes["http.request.method"], json!({ "stringValue": "_OTHER" }));
        assert_eq!(
            attributes["http.request.method_original"],
            json!({ "stringValue": "INVENTED" })
        );
        let wanted = Reason::BackendRefused.label();
        assert_eq!(attributes["error.type"], json!({ "stringValue": wanted }));
    }
    assert_eq!(spans[1]["status"], json!({}));
}

#[test]
fn a_partial_success_is_read() {
    for (answer, wanted) in [
        ("{}", 0),
        ("", 0),
        ("{\"partialSuccess\":{}}", 0),
        ("{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}", 3),
        ("{\"partialSuccess\":{\"rejectedSpans\":3,\"errorMessage\":\"x\"}}", 3),
        ("{\"partialSuccess\":{\"rejectedSpans\":-1}}", 0),
    ] {
        assert_eq!(rejected_spans(answer.as_bytes()), wanted, "{answer}");
    }
}
