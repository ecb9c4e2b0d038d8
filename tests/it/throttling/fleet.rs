//! Two gateways on one count, as an operator configures it.

use super::{PATH, Shop, same, two};
use crate::support::config::Application;
use crate::support::gateway::json;
use crate::support::redis::Redis;
use crate::support::until;

fn subscribed(app: Application) -> Application {
    app.subscribed("orders:1.0.0\", policy = \"Ten")
}

fn ten() -> String {
    two("Ten", "subscription").replace("requests = 2", "requests = 10")
}

/// Two gateways whose `[throttling]` has these lines beside the address.
async fn gateways(redis: &Redis, lines: &str) -> [Shop; 2] {
    let tables = format!(
        "[throttling]\ncounters = \"{}\"\nsync_interval = \"20ms\"\n{lines}\n{}",
        redis.address(""),
        ten()
    );
    let shops =
        [Shop::open(same, subscribed, &tables).await, Shop::open(same, subscribed, &tables).await];
    for shop in &shops {
        up(shop).await;
    }
    shops
}

async fn up(shop: &Shop) {
    shop.gateway.metric_becomes("portcullis_shared_counters_up", 1).await;
}

async fn alone(shop: &Shop) {
    shop.gateway.metric_becomes("portcullis_shared_counters_up", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_batched_the_other_gateway_knows_after_an_interval() {
    let redis = Redis::start();
    let [one, other] = gateways(&redis, "").await;
    let token = one.token("client");
    assert_eq!(one.statuses(10, PATH, Some(&token)).await, [200; 10]);
    assert_eq!(one.statuses(1, PATH, Some(&token)).await, [429]);
    // the first request at the other gateway brings the news; what passes until then is the documented overshoot
    let token = other.token("client");
    let refused = async || other.statuses(1, PATH, Some(&token)).await[0];
    until("the other knows", refused, |status| *status == 429).await;
    let body = json(&other.get(PATH, &token).await);
    assert_eq!(body["code"], "900804");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_exact_both_together_let_ten_through() {
    let redis = Redis::start();
    let [one, other] = gateways(&redis, "mode = \"exact\"").await;
    let (token, same_client) = (one.token("client"), other.token("client"));
    let mut passed = 0_u32;
    for _ in 0..12 {
        for (shop, token) in [(&one, &token), (&other, &same_client)] {
            passed += u32::from(shop.get(PATH, token).await.status() == 200);
        }
    }
    let mut here = 0_u64;
    for shop in [&one, &other] {
        for decision in ["alone", "late"] {
            let series =
                format!("portcullis_shared_counters_requests_total{{decision=\"{decision}\"}}");
            here += shop.gateway.metric(&series).await;
        }
    }
    let passed = u64::from(passed);
    assert!((10..=10 + here).contains(&passed), "{passed} passed, {here} without the servers");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_servers_a_gateway_counts_alone_or_refuses() {
    let (mut redis, mut other) = (Redis::start(), Redis::start());
    let [one, _] = gateways(&redis, "mode = \"exact\"").await;
    let [strict, _] = gateways(&other, "mode = \"exact\"\non_counter_failure = \"refuse\"").await;
    redis.kill();
    other.kill();
    alone(&one).await;
    alone(&strict).await;
    let token = one.token("client");
    assert_eq!(one.statuses(11, PATH, Some(&token)).await, [vec![200; 10], vec![429]].concat());
    let ready = one.gateway.management("GET", "/readyz").await;
    assert_eq!(ready.status(), 200);
    let counting = json(&ready)["shared_counters"].as_str().unwrap().to_owned();
    assert!(counting.starts_with("this gateway counts alone: "), "{counting}");

    let refused = strict.get(PATH, &strict.token("client")).await;
    assert_eq!((refused.status().as_u16(), json(&refused)["code"].as_str()), (503, Some("900801")));
    assert!(refused.headers().contains_key("retry-after"));
    other.run();
    up(&strict).await;
    assert_eq!(strict.statuses(1, PATH, Some(&strict.token("client"))).await, [200]);
}
