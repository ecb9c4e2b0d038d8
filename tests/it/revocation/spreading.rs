//! What one gateway is told of revoked tokens, the others know, over a real Redis that is killed, emptied and abused.

use std::time::{Duration, Instant};

use serde_json::json;

use super::gateways::{Bank, SET, channel, down, refused, revoke, status, up};
use crate::support::DEADLINE;
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;

const NEWS: &str = "{portcullis}:revocations:news";

#[tokio::test]
async fn a_revocation_reaches_the_other_gateway_within_a_second() {
    let (bank, redis) = (Bank::new(), Redis::start());
    let (first, second) = (bank.joined(&redis).await, bank.joined(&redis).await);
    let (whole, named) = (bank.token("whole"), bank.token("named"));
    for (token, call) in
        [(whole.clone(), json!({ "token": whole })), (named, json!({ "jti": "named" }))]
    {
        assert_eq!((status(&first, &token).await, status(&second, &token).await), (200, 200));
        assert_eq!(revoke(&first, &call).await, 200);
        assert_eq!(status(&first, &token).await, 401, "at once where it was told");
        refused(&second, &token, Duration::from_secs(1)).await;
    }
    let other = bank.token("other");
    assert_eq!(status(&second, &other).await, 200);
    assert_eq!(
        revoke(
            &second,
            &json!({ "consumer_key": "good", "before": jsonwebtoken::get_current_timestamp() + 5 })
        )
        .await,
        200
    );
    refused(&first, &other, Duration::from_secs(1)).await;
    // hashes only
    let kept = format!(
        "{:?} {:?}",
        redis.call(&format!("ZRANGE {SET} 0 -1")),
        redis.call(&format!("XRANGE {NEWS} - +"))
    );
    assert!(!kept.contains("good") && !kept.contains("eyJ") && kept.len() > 200, "{kept}");
    // what came over the channel is kept by whoever got it
    let folder = second.folder().to_owned();
    let kept = tempfile::tempdir().unwrap();
    std::fs::create_dir(kept.path().join("state")).unwrap();
    std::fs::copy(folder.join("state/revocations"), kept.path().join("state/revocations")).unwrap();
    bank.config("").write_to(kept.path());
    let alone = Gateway::start_in(kept.path(), None).await;
    assert_eq!(status(&alone, &whole).await, 401);
    let answer = alone.management("GET", "/revocations").await;
    assert_eq!(crate::support::gateway::json(&answer)["channel"], "none");
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_empty_costs_nothing_but_the_time() {
    let (bank, mut redis) = (Bank::new(), Redis::start());
    let (first, second) = (bank.joined(&redis).await, bank.joined(&redis).await);
    let (before, during) = (bank.token("before"), bank.token("during"));
    assert_eq!(revoke(&first, &json!({ "token": before })).await, 200);
    refused(&second, &before, Duration::from_secs(1)).await;
    redis.kill();
    down(&first).await;
    down(&second).await;
    assert_eq!(
        first.management("GET", "/readyz").await.status(),
        200,
        "it is ready without the channel"
    );
    assert_eq!(
        revoke(&first, &json!({ "token": during })).await,
        200,
        "revocations hold where they are told"
    );
    assert_eq!((status(&first, &during).await, status(&second, &during).await), (401, 200));
    redis.run();
    refused(&second, &during, DEADLINE).await;
    // the server lost everything: a gateway that comes now learns all of it from what the others gave back
    let late = bank.joined(&redis).await;
    assert_eq!((status(&late, &before).await, status(&late, &during).await), (401, 401));
    assert_eq!(status(&late, &bank.token("another")).await, 200);
    assert!(late.metric("portcullis_revocation_channel_comparisons_total").await >= 1);
}

#[tokio::test]
async fn a_gateway_that_starts_first_and_alone_tells_when_it_can() {
    let (bank, mut redis) = (Bank::new(), Redis::start());
    redis.kill();
    let text = channel(&redis.address(""));
    let (first, second) = (bank.gateway(&text).await, bank.gateway(&text).await);
    assert_eq!(first.management("GET", "/readyz").await.status(), 200);
    let token = bank.token("early");
    assert_eq!(revoke(&first, &json!({ "token": token })).await, 200);
    let answer = first.management("GET", "/revocations").await;
    let answer = crate::support::gateway::json(&answer);
    assert_eq!((&answer["count"], &answer["channel"]), (&json!(1), &json!("down")));
    redis.run();
    refused(&second, &token, DEADLINE).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_waited_for() {
    let (bank, redis) = (Bank::new(), Redis::start());
    let (first, second) = (bank.joined(&redis).await, bank.joined(&redis).await);
    redis.signal("-STOP");
    let token = bank.token("hung");
    let started = Instant::now();
    assert_eq!(revoke(&first, &json!({ "token": token })).await, 200);
    assert_eq!((status(&first, &token).await, status(&second, &token).await), (401, 200));
    assert!(started.elapsed() < Duration::from_secs(1), "nobody waits for the channel");
    redis.signal("-CONT");
    refused(&second, &token, DEADLINE).await;
}

#[tokio::test]
async fn what_others_write_is_counted_and_skipped() {
    let (bank, redis) = (Bank::new(), Redis::start());
    for member in [
        "x",
        "t.zz",
        "h.00",
        "t.00112233445566778899aabbccddeeff.1",
        "T.00112233445566778899aabbccddeeff",
    ] {
        redis.call(&format!("ZADD {SET} 4000000000 {member}")).unwrap();
    }
    redis.call(&format!("ZADD {SET} 4000000000.5 t.00112233445566778899aabbccddeeff")).unwrap();
    redis.call(&format!("ZADD {SET} +inf t.01112233445566778899aabbccddeeff")).unwrap();
    let (first, second) = (bank.joined(&redis).await, bank.joined(&redis).await);
    let unreadable = "portcullis_revocation_channel_messages_total{result=\"unreadable\"}";
    assert!(
        second.metrics().await.contains(&format!("{unreadable} 7")),
        "{}",
        second.metrics().await
    );
    let long = "f".repeat(1 << 20);
    for entry in [
        "r x",
        "r 1.t.",
        "q 4000000000.t.00112233445566778899aabbccddeeff",
        "r a r b",
        &format!("r {long}"),
        &format!("{long} r"),
    ] {
        redis.call(&format!("XADD {NEWS} * {entry}")).unwrap();
    }
    let token = bank.token("after garbage");
    assert_eq!(revoke(&first, &json!({ "token": token })).await, 200);
    refused(&second, &token, Duration::from_secs(1)).await;
    assert!(
        second.metrics().await.contains(&format!("{unreadable} 13")),
        "{}",
        second.metrics().await
    );
    assert_eq!(
        second.metric("portcullis_revocations").await,
        1,
        "nothing of it was taken for a revocation"
    );
    // keys of another type: the server refuses, and is asked again
    redis.call(&format!("DEL {SET} {NEWS}")).unwrap();
    redis.call(&format!("SET {SET} x")).unwrap();
    let token = bank.token("wrong type");
    assert_eq!(revoke(&first, &json!({ "token": token })).await, 200);
    down(&first).await;
    assert_eq!(status(&first, &token).await, 401);
    redis.call(&format!("DEL {SET}")).unwrap();
    refused(&second, &token, DEADLINE).await;
    up(&first).await;
}

#[tokio::test]
async fn a_server_that_was_emptied_is_filled_again() {
    let (bank, redis) = (Bank::new(), Redis::start());
    let first = bank.joined(&redis).await;
    let token = bank.token("emptied");
    assert_eq!(revoke(&first, &json!({ "token": token })).await, 200);
    first.metric_reaches("portcullis_revocation_channel_published_total", 1).await;
    redis.call("FLUSHALL").unwrap();
    let started = Instant::now();
    while redis.call(&format!("ZCARD {SET}")).unwrap() != redis::Value::Int(1) {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let late = bank.joined(&redis).await;
    assert_eq!(status(&late, &token).await, 401);
}

#[tokio::test]
async fn a_burst_reaches_everybody() {
    let (bank, redis) = (Bank::new(), Redis::start());
    let (first, second) = (bank.joined(&redis).await, bank.joined(&redis).await);
    // 150 clients of three key managers are 450 marks
    for client in 0..150 {
        assert_eq!(
            revoke(&first, &json!({ "consumer_key": format!("client-{client}") })).await,
            200
        );
    }
    let started = Instant::now();
    while !second.metrics().await.contains("portcullis_revocations{kind=\"holder\"} 450") {
        assert!(started.elapsed() < Duration::from_secs(1), "{}", second.metrics().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(first.metric("portcullis_revocation_channel_overflows_total").await, 0);
}

#[tokio::test]
async fn what_is_taken_back_on_one_gateway_is_good_on_all_and_stays_so() {
    let (bank, mut redis) = (Bank::new(), Redis::start());
    let (first, second) = (bank.joined(&redis).await, bank.joined(&redis).await);
    let (one, two) = (bank.token("one"), bank.token("two"));
    for token in [&one, &two] {
        assert_eq!(revoke(&first, &json!({ "token": token })).await, 200);
        refused(&second, token, Duration::from_secs(1)).await;
    }
    // who and when are known where it was not told
    let listed = second.management("GET", "/revocations?limit=1&offset=1").await;
    let listed = crate::support::gateway::json(&listed);
    assert_eq!(listed["total"], 2);
    let entry = &listed["revocations"][0];
    assert_eq!(
        (&entry["revoked_by"], &entry["of"][0]["kind"]),
        (&json!("(this machine)"), &json!("token"))
    );
    let id = entry["id"].as_str().unwrap().to_owned();
    let answer = second.management("DELETE", &format!("/revocations/{id}")).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let good = |gateway, token| async move { status(gateway, token).await == 200 };
    assert!(good(&second, &one).await, "at once where it was told");
    let started = Instant::now();
    while !good(&first, &one).await {
        assert!(started.elapsed() < Duration::from_secs(2), "still refused by the other gateway");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status(&first, &two).await, 401, "the other one stays revoked");
    assert_eq!(second.management("DELETE", &format!("/revocations/{id}")).await.status(), 404);
    // neither a new gateway nor a server that lost everything brings it back
    let late = bank.joined(&redis).await;
    assert_eq!((status(&late, &one).await, status(&late, &two).await), (200, 401));
    redis.kill();
    down(&first).await;
    redis.run();
    up(&first).await;
    up(&second).await;
    for gateway in [&first, &second, &late] {
        assert_eq!((status(gateway, &one).await, status(gateway, &two).await), (200, 401));
    }
    // and revoked anew, it is revoked
    assert_eq!(revoke(&first, &json!({ "token": one })).await, 200);
    refused(&second, &one, Duration::from_secs(2)).await;
}
