//! Traces: what a collector gets of an exchange, who decides on sampling, and a collector that fails.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::client::RawConnection;
use crate::support::collector::Collector;
use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

const PATH: &str = "/accounts/1.0.0/accounts/42";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN: &str = "b7ad6b7169203331";

fn traces(url: &str, more: &str) -> String {
    format!("[telemetry.traces]\notlp = \"{url}\"\n{more}")
}

async fn call(gateway: &Gateway, path: &str, token: &str, flags: &str) -> u16 {
    let request = Request::get(gateway.url(path))
        .header("authorization", format!("Bearer {token}"))
        .header("traceparent", format!("00-{TRACE}-{CLIENT_SPAN}-{flags}"))
        .header("tracestate", "vendor=1")
        .header("user-agent", "a-secret-agent")
        .header("x-api-key", "a-secret-key");
    gateway.send(request.body(Bytes::new()).unwrap()).await.status().as_u16()
}

fn named<'s>(spans: &'s [Value], kind: &str) -> &'s Value {
    spans.iter().find(|span| span["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {spans:#?}"))
}

#[tokio::test]
async fn an_exchange_and_its_backend_are_spans_of_the_clients_trace() {
    let collector = Collector::start().await;
    let bank = Bank::with(&traces(&collector.url(), "sample = 0.0")).await;
    let token = bank.token();
    let path = format!("{PATH}?password=a-secret-query");
    assert_eq!(call(&bank.gateway, &path, &token, "01").await, 200);
    let spans = collector.wait_for(2).await;
    let (server, client) = (named(&spans, "Server"), named(&spans, "Client"));
    assert_eq!((&server["trace"], &server["parent"]), (&json!(TRACE), &json!(CLIENT_SPAN)));
    assert_eq!(server["name"], "GET /accounts/1.0.0/accounts/{id}");
    assert_eq!((&client["trace"], &client["parent"]), (&server["trace"], &server["id"]));
    // the backend's spans hang below the gateway's span for it
    let received = bank.production.wait_for(1).await.remove(0);
    let id = client["id"].as_str().unwrap();
    assert_eq!(received.values("traceparent"), [format!("00-{TRACE}-{id}-01")]);
    assert_eq!(received.values("tracestate"), ["vendor=1"]);
    let wanted = json!({
        "http.request.method": "GET",
        "http.route": "/accounts/1.0.0/accounts/{id}",
        "http.response.status_code": 200,
        "url.path": PATH,
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "portcullis.reason": "forwarded",
        "portcullis.api": "accounts",
        "portcullis.key_manager": "bank-is",
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&server["attributes"][name], value, "{name}");
    }
    let port = bank.production.address().port();
    assert_eq!(client["attributes"]["server.port"], json!(port));
    let asked = format!("{}/base/accounts/42", bank.production.url());
    assert_eq!(client["attributes"]["url.full"], json!(asked), "without the query");
    assert_eq!(server["resource"]["service.name"], "portcullis");
    let line = bank.gateway.log(1).await.remove(0);
    assert_eq!(line["trace_id"], TRACE);
    let written = serde_json::to_string(&spans).unwrap();
    for secret in ["a-secret", token.as_str(), token.rsplit('.').next().unwrap()] {
        assert!(!written.contains(secret), "{secret}: {written}");
    }
}

#[tokio::test]
async fn failures_and_slow_exchanges_are_exported_though_nobody_sampled_them() {
    let collector = Collector::start().await;
    let bank = Bank::with(&traces(&collector.url(), "sample = 0.0\nslow = \"150ms\"")).await;
    let token = bank.token();
    assert_eq!(call(&bank.gateway, PATH, &token, "00").await, 200);
    let received = bank.production.wait_for(1).await.remove(0);
    assert!(received.values("traceparent")[0].ends_with("-00"), "the decision is passed on");
    bank.production.once(Script::answer(500, &[], "").after(Duration::ZERO));
    assert_eq!(call(&bank.gateway, PATH, &token, "00").await, 500);
    bank.production.once(Script::echo().after(Duration::from_millis(200)));
    assert_eq!(call(&bank.gateway, PATH, &token, "00").await, 200);
    // refused with a status that is not the gateway's fault
    assert_eq!(call(&bank.gateway, PATH, "garbage", "00").await, 401);
    let spans = collector.wait_for(4).await;
    let servers: Vec<&Value> = spans.iter().filter(|span| span["kind"] == "Server").collect();
    let [failed, slow] = servers.as_slice() else { panic!("{servers:#?}") };
    assert_eq!(failed["status"], "Error");
    assert_eq!(failed["attributes"]["error.type"], "500");
    assert_eq!(slow["status"], "Unset");
    assert!(slow["nanos"].as_u64().unwrap() >= 150_000_000, "{slow}");
    bank.gateway.metric_becomes("portcullis_trace_spans_exported_total", 4).await;
}

#[tokio::test]
async fn a_backend_that_gives_no_answer_is_named_with_its_tries() {
    let collector = Collector::start().await;
    let dead = Origin::refusing_address();
    let retries = "retries = { attempts = 1, on = [\"connect\"], budget = 1.0 }";
    let api = api("dead:1").open().to(&format!("http://{dead}")).production(retries);
    let tables = traces(&collector.url(), "sample = 0.0");
    let bank = Bank::of(|config| config.api(api).tables(&tables)).await;
    assert!(bank.gateway.get("/dead/1/x", None).await.status().is_server_error());
    let spans = collector.wait_for(2).await;
    let client = named(&spans, "Client");
    assert_eq!(client["status"], "Error");
    let wanted = json!({
        "server.address": "127.0.0.1",
        "server.port": dead.port(),
        "url.full": format!("http://{dead}/x"),
        "http.request.resend_count": 1,
        "error.type": "backend_refused",
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&client["attributes"][name], value, "{name}");
    }
    assert_eq!(bank.gateway.log(1).await[0]["backend"], format!("http://{dead}"));
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_is_an_error_without_a_status() {
    let collector = Collector::start().await;
    let origin = Origin::serving(Script::hang());
    let api = api("slow:1").open().to(&origin.url());
    let tables = traces(&collector.url(), "sample = 0.0\nslow = \"1h\"");
    let bank = Bank::of(|config| config.api(api).tables(&tables)).await;
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    connection.send("GET /slow/1/x HTTP/1.1\r\nhost: a.example\r\n\r\n").await.unwrap();
    origin.wait_for(1).await;
    drop(connection);
    for span in collector.wait_for(2).await {
        assert_eq!(span["status"], "Error", "{span}");
        assert_eq!(span["attributes"]["error.type"], "client_closed", "{span}");
        assert_eq!(span["attributes"].get("http.response.status_code"), None, "{span}");
    }
}

#[tokio::test]
async fn a_server_span_tells_what_the_client_asked_for() {
    let collector = Collector::start().await;
    let tables = traces(&collector.url(), "sample = 1.0");
    let change =
        |config: Config| config.gateway("trusted_proxies = [\"127.0.0.1\"]").tables(&tables);
    let bank = Bank::of(change).await;
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    let invented = "M".repeat(2_000);
    let head = format!(
        "{invented} {PATH} HTTP/1.1\r\nhost: api.example\r\nx-forwarded-proto: https\r\n\r\n"
    );
    connection.send(head).await.unwrap();
    connection.answer().await.unwrap();
    let spans = collector.wait_for(1).await;
    assert_eq!(spans[0]["name"], "HTTP");
    let wanted = json!({
        "http.request.method": "_OTHER",
        "http.request.method_original": "M".repeat(64),
        "url.scheme": "https",
        "server.address": "api.example",
        "server.port": 443,
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&spans[0]["attributes"][name], value, "{name}");
    }
}

#[tokio::test]
async fn waits_for_authorization_servers_are_spans() {
    let collector = Collector::start().await;
    let (backend, server) = (Origin::start(), Origin::start());
    let answer = json!({ "active": true, "client_id": "42" }).to_string();
    server.always(Script::answer(200, &[("content-type", "application/json")], answer));
    let (known, stranger) = (Signer::new("key-1"), Signer::new("key-2"));
    let key_sets =
        Origin::serving(Script::answer(200, &[("content-type", "application/json")], known.jwks()));
    let lines =
        format!("issuer = \"https://is\"\ncertificates = {{ jwks = \"{}\" }}", key_sets.url());
    let gateway = Config::new()
        .asking("opaque", &server.url(), "")
        .key_manager("signed", &lines)
        .api(api("any:1").to(&backend.url()).operation("method = \"GET\", path = \"/*\""))
        .application(application("app").key("opaque", "42"))
        .tables(&traces(&collector.url(), "sample = 1.0"))
        .start()
        .await;
    gateway.ready().await;
    assert_eq!(gateway.status("/any/1/x", "opaque-token").await, 200);
    let token = stranger.sign(&claims("https://is", "42", ""));
    assert_eq!(gateway.status("/any/1/x", &token).await, 401);
    let spans = collector.wait_for(5).await;
    for (name, key_manager) in [("introspection", "opaque"), ("wait for keys", "signed")] {
        let wait = spans.iter().find(|span| span["name"] == name).expect(name);
        assert_eq!(wait["kind"], "Internal");
        assert_eq!(wait["attributes"]["portcullis.key_manager"], key_manager);
        let parent = spans.iter().find(|span| span["id"] == wait["parent"]).unwrap();
        assert_eq!((&parent["kind"], &parent["trace"]), (&json!("Server"), &wait["trace"]));
    }
}

#[tokio::test]
async fn a_collector_that_is_down_is_told_of_and_found_again() {
    let address = Origin::free_address();
    let bank = Bank::with(&traces(&format!("http://{address}"), "sample = 1.0")).await;
    assert_eq!(bank.gateway.get(PATH, Some(&bank.token())).await.status(), 200);
    bank.gateway.metric_becomes("portcullis_trace_collector_up", 0).await;
    assert_eq!(bank.gateway.get(PATH, Some(&bank.token())).await.status(), 200);
    let collector = Collector::start_at(address);
    bank.gateway.metric_becomes("portcullis_trace_collector_up", 1).await;
    let spans = collector.wait_for(4).await;
    assert_eq!(spans.len(), 4, "those from before are kept");
}

#[tokio::test]
async fn a_refusal_of_the_collector_is_final_and_its_authorization_is_sent() {
    let collector = Origin::serving(Script::answer(503, &[("retry-after", "0")], ""));
    let more = "sample = 1.0\nauthorization = \"Bearer of-the-collector\"";
    let bank = Bank::with(&traces(&collector.url(), more)).await;
    assert_eq!(bank.gateway.get(PATH, Some(&bank.token())).await.status(), 200);
    let again = collector.wait_for(2).await;
    assert_eq!(again[0].body, again[1].body, "503 is tried again");
    assert_eq!(again[0].target, "/v1/traces");
    assert_eq!(again[0].values("authorization"), ["Bearer of-the-collector"]);
    collector.always(Script::answer(400, &[], ""));
    let dropped = "portcullis_trace_spans_dropped_total{reason=\"rejected\"}";
    bank.gateway.metric_becomes(dropped, 2).await;
    let partial = json!({ "partialSuccess": { "rejectedSpans": "1" } }).to_string();
    collector.always(Script::answer(200, &[("content-type", "application/json")], partial));
    assert_eq!(bank.gateway.get(PATH, Some(&bank.token())).await.status(), 200);
    bank.gateway.metric_becomes(dropped, 3).await;
    bank.gateway.metric_becomes("portcullis_trace_spans_exported_total", 1).await;
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_no_request_and_no_stop_up() {
    let collector = Origin::serving(Script::hang());
    let bank = Bank::with(&traces(&collector.url(), "sample = 1.0")).await;
    let token = bank.token();
    for _ in 0..100 {
        assert_eq!(bank.gateway.get(PATH, Some(&token)).await.status(), 200);
    }
    collector.wait_for(1).await;
    // it drains, and gives the collector two seconds
    drop(bank);
}

#[tokio::test]
async fn without_a_collector_the_clients_trace_is_logged_and_passed_on() {
    let bank = Bank::open().await;
    assert_eq!(call(&bank.gateway, PATH, &bank.token(), "01").await, 200);
    let received = bank.production.wait_for(1).await.remove(0);
    assert_eq!(received.values("traceparent"), [format!("00-{TRACE}-{CLIENT_SPAN}-01")]);
    assert_eq!(bank.gateway.log(1).await[0]["trace_id"], TRACE);
    assert!(!bank.gateway.metrics().await.contains("\nportcullis_trace"));
    assert_eq!(bank.gateway.get(PATH, Some(&bank.token())).await.status(), 200);
    assert_eq!(bank.gateway.log(2).await[1].get("trace_id"), None);
}
