//! What a good request meets on its way: the right backend, the right path, headers in and out, bodies, the log line.

use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::support::bank::Bank;
use crate::support::client::{Client, Protocol};
use crate::support::gateway::json;
use crate::support::script::Script;

const PATH: &str = "/accounts/1.0.0/accounts/42";

#[tokio::test]
async fn production_and_sandbox_keys_go_to_their_backends() {
    let bank = Bank::open().await;
    assert_eq!(bank.gateway.get(PATH, Some(&bank.token())).await.status(), 200);
    assert_eq!(bank.production.wait_for(1).await[0].target, "/base/accounts/42");
    assert!(bank.sandbox.received().is_empty());
    let sandbox = bank.token_of("good-sandbox", "accounts:read");
    assert_eq!(bank.gateway.get(&format!("{PATH}?a=b&c=%2Fd"), Some(&sandbox)).await.status(), 200);
    assert_eq!(bank.sandbox.wait_for(1).await[0].target, "/accounts/42?a=b&c=%2Fd");
    assert_eq!(bank.production.received().len(), 1);
}

#[tokio::test]
async fn the_token_ends_here_and_the_gateway_speaks_for_itself() {
    let bank = Bank::open().await;
    let request = Request::get(bank.gateway.url(PATH))
        .header("authorization", format!("bearer {}", bank.token()))
        .header("connection", "close, x-secret, x-forwarded-for")
        .header("x-secret", "1")
        .header("keep-alive", "timeout=5")
        .header("x-forwarded-for", "1.2.3.4")
        .header("forwarded", "for=1.2.3.4")
        .header("x-jwt-assertion", "forged")
        .header("x_jwt_assertion", "forged")
        .header("portcullis-denial", "forged")
        .header("x-kept", "yes");
    let answer = bank.gateway.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("x-request-id"));
    let received = bank.production.wait_for(1).await.remove(0);
    for gone in [
        "authorization",
        "x-secret",
        "keep-alive",
        "x-jwt-assertion",
        "x_jwt_assertion",
        "portcullis-denial",
    ] {
        assert!(received.values(gone).is_empty(), "{gone}: {:?}", received.headers);
    }
    assert_eq!(received.values("x-kept"), ["yes"]);
    assert_eq!(received.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(received.values("x-forwarded-proto"), ["http"]);
    assert_eq!(received.values("x-forwarded-host"), [bank.gateway.address().to_string()]);
    assert_eq!(received.values("host"), [bank.production.address().to_string()]);
    assert_eq!(received.values("forwarded").len(), 1);
    assert_eq!(received.values("via").len(), 1);
    assert_eq!(received.values("x-request-id").len(), 1);
}

#[tokio::test]
async fn forwarding_the_token_must_be_written() {
    let bank = Bank::open().await;
    let token = bank.token();
    assert_eq!(bank.gateway.get("/open/1.0.0/x", Some(&token)).await.status(), 200);
    assert_eq!(
        bank.production.wait_for(1).await[0].values("authorization"),
        [format!("Bearer {token}")]
    );
}

#[tokio::test]
async fn ids_and_trace_context_are_passed_on() {
    let bank = Bank::open().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request::get(bank.gateway.url("/accounts/1.0.0/status"))
        .header("x-request-id", "mine-1")
        .header("traceparent", trace);
    let answer = bank.gateway.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    let received = bank.production.wait_for(1).await.remove(0);
    assert_eq!(
        (received.values("x-request-id"), received.values("traceparent")),
        (vec!["mine-1"], vec![trace])
    );
}

#[tokio::test]
async fn an_open_operation_asks_for_nothing() {
    let bank = Bank::open().await;
    assert_eq!(bank.gateway.get("/accounts/1.0.0/status", None).await.status(), 200);
    assert_eq!(bank.gateway.get("/accounts/1.0.0/status", Some("garbage")).await.status(), 200);
}

#[tokio::test]
async fn http2_comes_in_and_http1_goes_out() {
    let bank = Bank::open().await;
    let client = Client::plain(Protocol::Http2);
    let mut connection = client.connect(&bank.gateway.url("/").parse().unwrap()).await.unwrap();
    for _ in 0..3 {
        let request = Request::post(bank.gateway.url("/accounts/1.0.0/accounts"))
            .header("authorization", format!("Bearer {}", bank.token()))
            .header("cookie", "a=1")
            .header("cookie", "b=2");
        let answer =
            connection.send(request.body(Bytes::from_static(b"hello")).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let received = bank.production.wait_for(3).await;
    assert!(
        received
            .iter()
            .all(|received| received.body == b"hello" && received.values("cookie") == ["a=1; b=2"]),
        "{received:?}"
    );
    assert!(received[0].head.starts_with(b"POST /base/accounts HTTP/1.1\r\n"));
    assert_eq!(bank.production.connections(), 1, "the backend's connection is used again");
}

#[tokio::test]
async fn bodies_and_trailers_are_streamed_through() {
    let bank = Bank::open().await;
    bank.production.always(Script::chunked(&["one", "two"], &[("x-sum", "6")]));
    let mut connection = Client::plain(Protocol::Http2)
        .connect(&bank.gateway.url("/").parse().unwrap())
        .await
        .unwrap();
    let request = Request::get(bank.gateway.url(PATH))
        .header("authorization", format!("Bearer {}", bank.token()))
        .header("te", "trailers");
    let answer = connection.send(request.body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.body(), "onetwo");
    assert_eq!(answer.headers()["x-sum"], "6");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let bank = Bank::open().await;
    let token = bank.token();
    let answer = bank
        .gateway
        .request("POST", "/accounts/1.0.0/accounts", Some(&token), Bytes::from(vec![b'x'; 2000]))
        .await;
    assert_eq!(answer.status(), 413);
    assert_eq!(json(&answer)["code"], "413");
    assert!(bank.production.received().is_empty(), "refused by its declared length");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let bank = Bank::open().await;
    let answer = bank.gateway.request("HEAD", PATH, Some(&bank.token()), Bytes::new()).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.body().is_empty());
    assert_eq!(bank.production.wait_for(1).await[0].method, "HEAD");
}

#[tokio::test]
async fn the_log_line_tells_the_exchange_and_not_the_token() {
    let bank = Bank::open().await;
    let token = bank.token();
    bank.gateway.get(&format!("{PATH}?secret=1"), Some(&token)).await;
    let line = bank.gateway.log(1).await.remove(0);
    for (field, value) in [
        ("method", json!("GET")),
        ("path", json!(PATH)),
        ("api", json!("accounts")),
        ("version", json!("1.0.0")),
        ("operation", json!("/accounts/{id}")),
        ("application", json!("good")),
        ("key_manager", json!("bank-is")),
        ("key_type", json!("production")),
        ("consumer_key", json!("good")),
        ("status", json!(200)),
        ("reason", json!("forwarded")),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    let text = line.to_string();
    assert!(
        !text.contains("secret=1") && !text.contains(token.split('.').next_back().unwrap()),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_seen_before_is_not_verified_again() {
    let bank = Bank::open().await;
    let token = bank.token();
    let mut connection = Client::plain(Protocol::Http1)
        .connect(&bank.gateway.url("/").parse().unwrap())
        .await
        .unwrap();
    for _ in 0..5 {
        let request =
            Request::get(bank.gateway.url(PATH)).header("authorization", format!("Bearer {token}"));
        assert_eq!(
            connection.send(request.body(Bytes::new()).unwrap()).await.unwrap().status(),
            200
        );
    }
    let metrics = bank.gateway.metrics().await;
    assert!(metrics.contains("portcullis_token_cache_hits_total 4"), "{metrics}");
    let requests = "portcullis_requests_total{api=\"accounts\",version=\"1.0.0\",operation=\"/accounts/{id}\",method=\"GET\",status=\"200\",reason=\"forwarded\"} 5";
    assert!(metrics.contains(requests), "{metrics}");
}
