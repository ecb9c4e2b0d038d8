//! A server that fails again and again is left alone for a while, and asked again by itself.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::config::{Config, api, application};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::until;

fn config(server: &Origin, backend: &Origin) -> Config {
    Config::new()
        .asking("opaque", &server.url(), "request_timeout = \"400ms\"")
        .api(api("any:1").to(&backend.url()))
        .application(application("app").key("opaque", "app-key"))
        .tables("[limits]\nunknown_tokens = { requests = 1000, per = \"1s\" }")
}

fn active() -> Script {
    let exp = jsonwebtoken::get_current_timestamp() + 600;
    let answer = json!({ "active": true, "client_id": "app-key", "exp": exp });
    Script::answer(200, &[("Content-Type", "application/json")], answer.to_string())
}

const OPEN: &str = "portcullis_introspection_breaker_open{key_manager=\"opaque\"}";
const OPENINGS: &str = "portcullis_introspection_breaker_openings_total{key_manager=\"opaque\"}";

#[tokio::test]
async fn a_server_that_does_not_answer_costs_nobody_its_time() {
    for trouble in [Script::hang(), Script::close(), Script::answer(502, &[], "no")] {
        let (server, backend) = (Origin::serving(trouble), Origin::start());
        let gateway = config(&server, &backend).start().await;
        let mut turn = 0;
        while gateway.metric_or_zero(OPEN).await < 1 {
            turn += 1;
            assert!(turn <= 8, "never opens");
            assert_eq!(gateway.status("/any/1/x", &format!("t-{turn}")).await, 503);
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
        let again = async || {
            turn += 1;
            gateway.status("/any/1/x", &format!("again-{turn}")).await
        };
        until("it closes", again, |status| *status == 200).await;
        assert_eq!(gateway.metric(OPEN).await, 0);
        assert_eq!(gateway.metric(OPENINGS).await, 1);
    }
}

#[tokio::test]
async fn what_a_server_refuses_does_not_open_it() {
    for refusal in [400, 401, 404] {
        let server = Origin::serving(Script::answer(refusal, &[], "no"));
        let backend = Origin::start();
        let gateway = config(&server, &backend).start().await;
        for turn in 0..10 {
            assert_eq!(gateway.status("/any/1/x", &format!("odd-{turn}")).await, 503);
        }
        assert_eq!(server.received().len(), 10, "{refusal}");
        server.always(active());
        assert_eq!(gateway.status("/any/1/x", "good").await, 200);
    }
}
