//! What clients, logs and metrics are told of limits.

use bytes::Bytes;
use http::Request;

use super::{PATH, Shop, same, two};
use crate::support::gateway::json;

#[tokio::test]
async fn a_refusal_says_when_to_come_again_and_the_log_names_the_policy() {
    let shop =
        Shop::open(same, |app| app.lines("policy = \"Two\""), &two("Two", "application")).await;
    let token = shop.token("client");
    let first = shop.get(PATH, &token).await;
    assert_eq!(first.headers()["ratelimit-policy"], "\"Two\";q=2;w=3600");
    let limit = first.headers()["ratelimit"].to_str().unwrap();
    assert!(limit.starts_with("\"Two\";r=1;t="), "{limit}");
    shop.get(PATH, &token).await;
    let refused = shop.get(PATH, &token).await;
    assert_eq!(refused.status(), 429);
    let after: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    // an hour, and a sixteenth at its edge
    assert!((3599..=3825).contains(&after), "{after}");
    assert_eq!(refused.headers()["ratelimit"], format!("\"Two\";r=0;t={after}"));
    let body = json(&refused);
    let next = body["nextAccessTime"].as_str().unwrap();
    assert!(
        next.ends_with("+0000 UTC") && next.len() == "2026-Nov-27 21:30:00+0000 UTC".len(),
        "{next}"
    );
    assert_eq!(body["code"], "900803");
    assert_eq!(body["message"], "Message throttled out");
    assert_eq!(
        body["description"],
        format!("You have exceeded your quota .You can access API after {next}")
    );
    let line = shop.gateway.log(3).await.swap_remove(2);
    assert_eq!(line["reason"], "application_quota");
    assert_eq!((&line["policy"], &line["policy_level"]), (&"Two".into(), &"application".into()));
    assert!(line["message"].as_str().unwrap().contains("application policy \"Two\""), "{line}");
    let refused =
        "portcullis_throttled_total{level=\"application\",outcome=\"refused\",policy=\"Two\"}";
    shop.gateway.metric_becomes(refused, 1).await;
    assert!(shop.gateway.metric("portcullis_throttle_counters").await >= 1);
    shop.gateway.metric_becomes("portcullis_throttle_counters_limit", 1_000_000).await;
}

#[tokio::test]
async fn headers_can_be_turned_off() {
    let tables = format!("{}[throttling]\nheaders = false\n", two("Two", "application"));
    let shop = Shop::open(same, |app| app.lines("policy = \"Two\""), &tables).await;
    let token = shop.token("client");
    for status in [200, 200, 429] {
        let answer = shop.get(PATH, &token).await;
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key("ratelimit"));
        assert!(!answer.headers().contains_key("ratelimit-policy"));
        assert_eq!(answer.headers().contains_key("retry-after"), status == 429);
    }
}

#[tokio::test]
async fn a_grpc_client_reads_that_its_resource_is_exhausted() {
    let limited = |api: crate::support::config::Api| {
        api.production("hard_limit = { requests = 3, per = \"1h\" }")
    };
    let shop =
        Shop::open(limited, |app| app.lines("policy = \"Two\""), &two("Two", "application")).await;
    let call = async |client: &str| {
        let request = Request::post(shop.gateway.url(PATH))
            .header("authorization", format!("Bearer {}", shop.token(client)))
            .header("content-type", "application/grpc");
        shop.gateway.send(request.body(Bytes::new()).unwrap()).await
    };
    for _ in 0..2 {
        assert_eq!(call("client").await.status(), 200);
    }
    let refused = call("client").await;
    assert_eq!(refused.headers()["grpc-status"], "8");
    assert!(refused.headers()["grpc-message"].to_str().unwrap().starts_with("900803"));
    assert_eq!(call("other-client").await.status(), 200);
    assert_eq!(call("other-client").await.headers()["grpc-status"], "8", "the hard limit too");
}

#[tokio::test]
async fn a_policy_may_let_through_and_mark_or_only_observe() {
    for (line, outcome) in
        [("stop_on_quota_reach = false", "marked"), ("observe = true", "observed")]
    {
        let tables = format!("{}{line}\n", two("Two", "application"));
        let shop = Shop::open(same, |app| app.lines("policy = \"Two\""), &tables).await;
        let token = shop.token("client");
        assert_eq!(shop.statuses(4, PATH, Some(&token)).await, [200; 4]);
        let lines = shop.gateway.log(4).await;
        let policies: Vec<_> = lines.iter().map(|line| line["policy"].as_str()).collect();
        assert_eq!(policies, [None, None, Some("Two"), Some("Two")], "{outcome}");
        let metric = format!(
            "portcullis_throttled_total{{level=\"application\",outcome=\"{outcome}\",policy=\"Two\"}}"
        );
        shop.gateway.metric_becomes(&metric, 2).await;
    }
}

#[tokio::test]
async fn a_refused_request_consumes_nothing_on_any_other_level() {
    let five = two("Five", "advanced").replace("requests = 2", "requests = 5");
    let tables = format!("{five}{}", two("Two", "application"));
    let limited = |api: crate::support::config::Api| api.lines("policy = \"Five\"");
    let shop = Shop::open(limited, |app| app.lines("policy = \"Two\""), &tables).await;
    let (mine, other) = (shop.token("client"), shop.token("other-client"));
    assert_eq!(shop.statuses(40, PATH, Some(&mine)).await.iter().filter(|s| **s == 200).count(), 2);
    assert_eq!(shop.statuses(4, PATH, Some(&other)).await, [200, 200, 200, 429]);
}
