//! A server that fails again and again is left alone for a while, and asked again by itself.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::DEADLINE;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;

fn file(server: &str, backend: &str) -> String {
    format!(
        r#"
[[key_managers]]
name = "opaque"
type = "WSO2-IS-7"
token_validation = "introspection"
introspection_endpoint = "{server}"
credentials = {{ username = "gateway", password = "gateway-secret" }}
request_timeout = "400ms"
[[apis]]
name = "any"
version = "1"
context = "/any"
production = {{ urls = ["{backend}"] }}
operations = [{{ method = "GET", path = "/*", scopes = [] }}]
[[applications]]
name = "app"
keys = [{{ type = "production", key_manager = "opaque", consumer_key = "app-key" }}]
subscriptions = [{{ api = "any:1" }}]
[limits]
unknown_tokens = {{ requests = 1000, per = "1s" }}
"#
    )
}

fn active() -> Script {
    let exp = jsonwebtoken::get_current_timestamp() + 600;
    let answer = json!({ "active": true, "client_id": "app-key", "exp": exp });
    Script::answer(200, &[("Content-Type", "application/json")], answer.to_string())
}

async fn is(gateway: &Gateway, series: &str) -> bool {
    let text = gateway.metrics().await;
    text.lines().any(|line| line == series)
}

const OPEN: &str = "portcullis_introspection_breaker_open{key_manager=\"opaque\"}";

#[tokio::test]
async fn a_server_that_does_not_answer_costs_nobody_its_time() {
    for trouble in [Script::hang(), Script::close(), Script::answer(502, &[], "no")] {
        let (server, backend) = (Origin::serving(trouble), Origin::start());
        let gateway = Gateway::start(&file(&server.url(), &backend.url())).await;
        let mut turn = 0;
        while !is(&gateway, &format!("{OPEN} 1")).await {
            turn += 1;
            assert!(turn <= 8, "never opens");
            let answer = gateway.get("/any/1/x", Some(&format!("t-{turn}"))).await;
            assert_eq!(answer.status(), 503);
        }
        assert!(turn >= 5, "after {turn}");
        server.always(active());
        let asked = server.received().len();
        let began = Instant::now();
        let answer = gateway.get("/any/1/x", Some("at-once")).await;
        // a machine that is held up may find the time of the next try come
        if began.elapsed() < Duration::from_millis(300) {
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
            assert_eq!(server.received().len(), asked, "nobody is asked");
        }
        let mut turn = 0;
        while gateway.get("/any/1/x", Some(&format!("again-{turn}"))).await.status() != 200 {
            turn += 1;
            assert!(began.elapsed() < DEADLINE, "never closes");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(is(&gateway, &format!("{OPEN} 0")).await);
        let opened = "portcullis_introspection_breaker_openings_total{key_manager=\"opaque\"} 1";
        assert!(is(&gateway, opened).await);
    }
}

#[tokio::test]
async fn what_a_server_refuses_does_not_open_it() {
    for refusal in [400, 401, 404] {
        let server = Origin::serving(Script::answer(refusal, &[], "no"));
        let backend = Origin::start();
        let gateway = Gateway::start(&file(&server.url(), &backend.url())).await;
        for turn in 0..10 {
            let answer = gateway.get("/any/1/x", Some(&format!("odd-{turn}"))).await;
            assert_eq!(answer.status(), 503);
        }
        assert_eq!(server.received().len(), 10, "{refusal}");
        server.always(active());
        assert_eq!(gateway.get("/any/1/x", Some("good")).await.status(), 200);
    }
}
