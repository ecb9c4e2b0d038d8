//! Several targets: who is asked, what is sent again, who is left out and who comes back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::asking::{ask, becomes};
use crate::support::bank::Bank;
use crate::support::config::{Config, api};
use crate::support::gateway::{Gateway, json};
use crate::support::origin::Origin;
use crate::support::script::Script;

/// A gateway with one open API whose production backend has these lines.
async fn open(backend: &str) -> Gateway {
    Config::new().api(api("any:1").open().production(backend)).start().await
}

fn named(name: &str) -> Origin {
    Origin::serving(Script::answer(200, &[("x-from", name)], name))
}

#[tokio::test]
async fn each_balance_asks_every_target_and_a_hash_only_one() {
    for balance in ["round_robin", "least_requests", "consistent_hash"] {
        let (one, two) = (named("one"), named("two"));
        let header = if balance == "consistent_hash" { "hash_header = \"x-user\"" } else { "" };
        let gateway = open(&format!(
            "urls = [\"{}\", \"{}\"]\nbalance = \"{balance}\"\n{header}",
            one.url(),
            two.url()
        ))
        .await;
        if balance == "consistent_hash" {
            // targets have other ports in each run, and so many users are not all of one target
            for user in 0..64 {
                let mut from = Vec::new();
                for _ in 0..2 {
                    let request = Request::get(gateway.url("/any/1/x"))
                        .header("x-user", user)
                        .body(Bytes::new())
                        .unwrap();
                    from.push(gateway.send(request).await.headers()["x-from"].clone());
                }
                assert!(from.iter().all(|name| *name == from[0]), "{from:?}");
            }
        } else {
            for _ in 0..40 {
                assert_eq!(ask(&gateway, "GET").await.0, 200);
            }
        }
        let (first, second) = (one.received().len(), two.received().len());
        assert!(first >= 4 && second >= 4, "{balance}: {first} and {second}");
    }
}

#[tokio::test]
async fn a_target_that_refuses_is_passed_over_and_its_post_is_sent_once() {
    let up = named("up");
    let gateway =
        open(&format!("urls = [\"http://{}\", \"{}\"]", Origin::refusing_address(), up.url()))
            .await;
    for method in ["GET", "POST", "GET", "POST", "GET", "POST"] {
        assert_eq!(ask(&gateway, method).await, (200, "up".to_owned()));
    }
    assert_eq!(up.received().len(), 6);
    let retries = gateway.metric("portcullis_backend_retries_total").await;
    assert!((1..=4).contains(&retries), "one that has just refused is asked last: {retries}");
}

#[tokio::test]
async fn what_may_be_sent_again_is_and_nothing_else() {
    let retries =
        "retries = { attempts = 2, on = [\"connect\", \"reset\", \"502\", \"503\"], budget = 1.0 }";
    for (script, reason) in [
        (Script::reset(), "reset"),
        (Script::answer(503, &[], "no"), "503"),
        (Script::answer(502, &[], "no"), "502"),
    ] {
        let backend = named("fine");
        let gateway = open(&format!("urls = [\"{}\"]\n{retries}", backend.url())).await;
        backend.once(script.clone());
        backend.once(script.clone());
        assert_eq!(ask(&gateway, "GET").await, (200, "fine".to_owned()), "{reason}");
        assert_eq!(backend.received().len(), 3, "{reason}");
        backend.once(script.clone());
        assert_ne!(ask(&gateway, "POST").await.0, 200, "{reason}: a POST is never sent twice");
        assert_eq!(backend.received().len(), 4, "{reason}");
        for _ in 0..3 {
            backend.once(script.clone());
        }
        assert_ne!(ask(&gateway, "GET").await.0, 200, "{reason}: two further tries and no more");
        assert_eq!(backend.received().len(), 7, "{reason}");
    }
}

#[tokio::test]
async fn retries_never_become_an_avalanche() {
    let backend = Origin::serving(Script::answer(503, &[], "overloaded"));
    let gateway = open(&format!(
        "urls = [\"{}\"]\nretries = {{ attempts = 3, on = [\"503\"], budget = 0.2 }}",
        backend.url()
    ))
    .await;
    for _ in 0..200 {
        assert_eq!(ask(&gateway, "GET").await, (503, "overloaded".to_owned()));
    }
    let sent = backend.received().len();
    // a fifth of the requests, what is there at the start, and one each second, for each of two workers
    assert!((200..=200 + 40 + 20 + 20).contains(&sent), "{sent}");
}

#[tokio::test]
async fn active_checks_take_a_target_out_and_bring_it_back() {
    let (one, two) = (named("one"), named("two"));
    let health = "health = { path = \"/health\", interval = \"100ms\", healthy = 2, unhealthy = 2 }\nslow_start = \"0s\"";
    let gateway = open(&format!("urls = [\"{}\", \"{}\"]\n{health}", one.url(), two.url())).await;
    becomes(&gateway, "both answer", |answers| {
        ["one", "two"].iter().all(|name| answers.iter().any(|answer| answer.1 == *name))
    })
    .await;
    one.always(Script::answer(500, &[], "ill"));
    becomes(&gateway, "the ill one is out", |answers| {
        answers.iter().all(|answer| answer.1 == "two")
    })
    .await;
    assert!(
        one.received()
            .iter()
            .any(|request| request.target == "/health" && request.values("host").len() == 1)
    );
    one.always(Script::answer(200, &[], "one"));
    becomes(&gateway, "it comes back", |answers| answers.iter().any(|answer| answer.1 == "one"))
        .await;
}

#[tokio::test]
async fn failures_in_a_row_eject_a_target_for_a_while() {
    let (one, two) = (named("one"), named("two"));
    let eject = "eject = { consecutive_failures = 3, for = \"1s\", max_ejected = 0.5 }\nslow_start = \"0s\"";
    let gateway = open(&format!("urls = [\"{}\", \"{}\"]\n{eject}", one.url(), two.url())).await;
    one.always(Script::answer(503, &[], "ill"));
    let started = Instant::now();
    becomes(&gateway, "the ill one is out", |answers| {
        answers.iter().all(|answer| answer.1 == "two")
    })
    .await;
    one.always(Script::answer(200, &[], "one"));
    becomes(&gateway, "it comes back", |answers| answers.iter().any(|answer| answer.1 == "one"))
        .await;
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    assert_eq!(gateway.metric("portcullis_backend_ejections_total").await, 1);
}

#[tokio::test]
async fn the_failover_list_answers_when_no_url_is_healthy() {
    let (one, spare) = (named("one"), named("spare"));
    let health = "health = { path = \"/\", interval = \"100ms\", healthy = 1, unhealthy = 1 }";
    let gateway =
        open(&format!("urls = [\"{}\"]\nfailover = [\"{}\"]\n{health}", one.url(), spare.url()))
            .await;
    becomes(&gateway, "the first answers", |answers| {
        answers.iter().all(|answer| answer.1 == "one")
    })
    .await;
    one.always(Script::close());
    becomes(&gateway, "the spare one answers", |answers| {
        answers.iter().all(|answer| answer.1 == "spare")
    })
    .await;
    one.always(Script::answer(200, &[], "one"));
    becomes(&gateway, "the first is back", |answers| {
        answers.iter().any(|answer| answer.1 == "one")
    })
    .await;
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_may_be() {
    let backend =
        Origin::serving(Script::answer(200, &[], "slow").after(Duration::from_millis(400)));
    let limits = "max_concurrent_requests = 2\nmax_queued_requests = 1\nqueue_timeout = \"2s\"";
    let any = api("any:1").open().to(&backend.url()).lines(limits);
    let bank = Bank::with(&any.to_string()).await;
    let started = Instant::now();
    let asking: Vec<_> = (0..5).map(|_| bank.gateway.get("/any/1/x", None)).collect();
    let mut answers = Vec::new();
    for answer in futures(asking).await {
        let retry =
            answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        answers.push((answer.status().as_u16(), retry, answer));
    }
    let refused: Vec<_> = answers.iter().filter(|(status, ..)| *status == 503).collect();
    assert_eq!(refused.len(), 2, "two in flight, one waits");
    assert!(refused.iter().all(|(_, retry, answer)| retry.as_deref() == Some("1")
        && json(answer)["code"] == json!("900801")));
    assert!(started.elapsed() >= Duration::from_millis(800), "one waited");
    assert_eq!(bank.gateway.get("/any/1/x", None).await.status(), 200, "places are given back");
}

/// All at once.
async fn futures<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in pinned.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[tokio::test]
async fn the_whole_exchange_has_a_time() {
    let backend = Origin::serving(Script::answer(200, &[], "late").after(Duration::from_secs(5)));
    let gateway =
        open(&format!("urls = [\"{}\"]\nrequest_timeout = \"300ms\"", backend.url())).await;
    let answer = gateway.get("/any/1/x", None).await;
    assert_eq!(
        (answer.status().as_u16(), gateway.log(1).await[0]["reason"].clone()),
        (504, json!("request_timeout"))
    );
    backend.always(Script::drip(&"x".repeat(100), Duration::from_millis(50)));
    let request = Request::get(gateway.url("/any/1/x")).body(Bytes::new()).unwrap();
    let client = crate::support::client::Client::plain(crate::support::client::Protocol::Http1);
    assert!(client.send(request).await.is_err(), "an end before the end is a truncation");
    assert_eq!(gateway.log(2).await[1]["ending"], "gateway_closed");
}
