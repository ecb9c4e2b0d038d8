//! Two gateways on one count, as an operator configures it.

use portcullis::demo::certificates;
use portcullis::supervise::clock::SystemClock;

use super::{PATH, Shop, same, two};
use crate::clients::listeners::client_certificate;
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
    gateways_at(&redis.address(""), lines).await
}

async fn gateways_at(address: &str, lines: &str) -> [Shop; 2] {
    let tables = tables(address, lines);
    let shops =
        [Shop::open(same, subscribed, &tables).await, Shop::open(same, subscribed, &tables).await];
    for shop in &shops {
        up(shop).await;
    }
    shops
}

fn tables(address: &str, lines: &str) -> String {
    let first = format!("counters = \"{address}\"\nsync_interval = \"20ms\"");
    format!("[throttling]\n{first}\n{lines}\n{}", ten())
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

    let refused = strict.get(PATH, &strict.token("client")).await;
    assert_eq!((refused.status().as_u16(), json(&refused)["code"].as_str()), (503, Some("900801")));
    assert!(refused.headers().contains_key("retry-after"));
    other.run();
    up(&strict).await;
    // an answer that comes too late on a busy machine is none
    let token = strict.token("client");
    let passes = async || strict.statuses(1, PATH, Some(&token)).await[0];
    until("it counts with the server again", passes, |status| *status == 200).await;
}

/// The words of `/readyz` about the count over all gateways; readiness itself never depends on it.
async fn counting(shop: &Shop) -> String {
    let ready = shop.gateway.management("GET", "/readyz").await;
    assert_eq!(ready.status(), 200);
    json(&ready)["shared_counters"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_that_a_gateway_counts_alone_and_when_it_does_no_longer() {
    let mut redis = Redis::start();
    let [one, _] = gateways(&redis, "").await;
    let together = counting(&one).await;
    assert!(!together.contains("alone"), "{together}");
    redis.kill();
    alone(&one).await;
    let said = counting(&one).await;
    assert!(said.starts_with("this gateway counts alone: "), "{said}");
    redis.run();
    up(&one).await;
    assert_eq!(counting(&one).await, together);
    // nobody is told of servers that do not exist
    let local = Shop::open(same, subscribed, &ten()).await;
    assert_eq!(counting(&local).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_both_sides_show_certificates() {
    let made = tempfile::tempdir().unwrap();
    certificates::make(made.path(), &SystemClock).unwrap();
    let file = |name: &str| made.path().join(name).display().to_string();
    let (authority, certificate, key) = client_certificate();
    for (name, text) in
        [("clients.crt", authority), ("client.crt", certificate), ("client.key", key)]
    {
        std::fs::write(made.path().join(name), text).unwrap();
    }
    let redis = Redis::with(
        &[
            "--tls-port",
            "PORT",
            "--tls-cert-file",
            &file("gateway.crt"),
            "--tls-key-file",
            &file("gateway.key"),
            "--tls-ca-cert-file",
            &file("clients.crt"),
            "--tls-auth-clients",
            "yes",
        ],
        "",
    );
    let address = format!("rediss://localhost:{}", redis.port());
    let ca = format!("ca = \"{}\"\n", file("dev-ca.crt"));
    let pair = format!(
        "client_certificate = {{ certificate = \"{}\", key = \"{}\" }}\n",
        file("client.crt"),
        file("client.key")
    );
    let [one, other] = gateways_at(&address, &format!("{ca}{pair}")).await;
    let token = one.token("client");
    assert_eq!(one.statuses(10, PATH, Some(&token)).await, [200; 10]);
    let token = other.token("client");
    let refused = async || other.statuses(1, PATH, Some(&token)).await[0];
    until("the other knows", refused, |status| *status == 429).await;
    // without one of them, a gateway counts alone, and says so
    let failures = "portcullis_shared_counters_rounds_total{result=\"failed\"}";
    for lines in [&ca, &pair] {
        let shop = Shop::open(same, subscribed, &tables(&address, lines)).await;
        shop.gateway.metric_reaches(failures, 1).await;
        assert_eq!(shop.gateway.metric("portcullis_shared_counters_up").await, 0, "{lines}");
        assert_eq!(shop.statuses(1, PATH, Some(&shop.token("client"))).await, [200]);
    }
}
