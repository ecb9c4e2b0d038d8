//! Pages of other origins: preflights without a token, errors that they can read; and the operator's header rules.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use crate::support::bank::Bank;
use crate::support::script::Script;

const CORS: &str = r#"cors = { allow_origins = ["https://app.example", "https://*.bank.example"], allow_methods = ["GET", "DELETE", "PUT"], allow_headers = ["authorization", "x-one"], allow_credentials = true, max_age = "10m" }
request_headers = { set = { "x-env" = "prod", "x-forwarded-proto" = "gopher" }, remove = ["x-internal"] }
response_headers = { set = { "strict-transport-security" = "max-age=1" }, remove = ["server"] }"#;

async fn open() -> Bank {
    Bank::of(|config| config.api_lines("accounts", CORS)).await
}

async fn send(bank: &Bank, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(bank.gateway.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    bank.gateway.send(request.body(Bytes::new()).unwrap()).await
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_reaches_no_backend() {
    let bank = open().await;
    let asked = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "x-one"),
    ];
    let answer = send(&bank, "OPTIONS", "/accounts/1.0.0/accounts/42", &asked).await;
    let headers = answer.headers();
    assert_eq!(answer.status(), 200);
    assert_eq!(text(headers, "access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(
        text(headers, "access-control-allow-methods"),
        Some("GET, DELETE"),
        "PUT is not served here"
    );
    assert_eq!(text(headers, "access-control-allow-headers"), Some("authorization, x-one"));
    assert_eq!(text(headers, "access-control-allow-credentials"), Some("true"));
    assert_eq!(text(headers, "access-control-max-age"), Some("600"));
    assert!(text(headers, "vary").unwrap().contains("Origin"));
    let stranger =
        [("origin", "https://evil.example"), ("access-control-request-method", "DELETE")];
    let answer = send(&bank, "OPTIONS", "/accounts/1.0.0/accounts/42", &stranger).await;
    assert_eq!(
        (answer.status().as_u16(), text(answer.headers(), "access-control-allow-origin")),
        (200, None)
    );
    assert_eq!(send(&bank, "OPTIONS", "/accounts/1.0.0/nothing", &asked).await.status(), 404);
    assert_eq!(
        send(&bank, "OPTIONS", "/audience/1.0.0/x", &asked).await.status(),
        405,
        "an API without CORS"
    );
    assert!(bank.production.received().is_empty());
    assert_eq!(
        bank.gateway.log(4).await.iter().filter(|line| line["reason"] == "cors_preflight").count(),
        2
    );
}

#[tokio::test]
async fn errors_can_be_read_and_the_backends_own_word_goes_first() {
    let bank = open().await;
    let answer =
        send(&bank, "GET", "/accounts/1.0.0/accounts/42", &[("origin", "https://a.bank.example")])
            .await;
    assert_eq!(
        (answer.status().as_u16(), text(answer.headers(), "access-control-allow-origin")),
        (401, Some("https://a.bank.example"))
    );
    assert_eq!(text(answer.headers(), "vary"), Some("Origin"));
    let token = format!("Bearer {}", bank.token());
    let good = [("origin", "https://app.example"), ("authorization", token.as_str())];
    let answer = send(&bank, "GET", "/accounts/1.0.0/accounts/42", &good).await;
    assert_eq!(
        (answer.status().as_u16(), text(answer.headers(), "access-control-allow-origin")),
        (200, Some("https://app.example"))
    );
    bank.production.always(Script::answer(
        200,
        &[("Access-Control-Allow-Origin", "https://mine.example")],
        "x",
    ));
    let answer = send(&bank, "GET", "/accounts/1.0.0/accounts/42", &good).await;
    assert_eq!(text(answer.headers(), "access-control-allow-origin"), Some("https://mine.example"));
    assert_eq!(answer.headers().get_all("access-control-allow-origin").iter().count(), 1);
}

#[tokio::test]
async fn the_operators_rules_come_last() {
    let bank = open().await;
    bank.production.always(Script::answer(200, &[("Server", "old/1.0"), ("X-Kept", "yes")], "x"));
    let token = format!("Bearer {}", bank.token());
    let headers = [
        ("authorization", token.as_str()),
        ("x-internal", "1"),
        ("x_internal", "1"),
        ("x-env", "mine"),
    ];
    let answer = send(&bank, "GET", "/accounts/1.0.0/accounts/42", &headers).await;
    assert_eq!(
        (text(answer.headers(), "server"), text(answer.headers(), "x-kept")),
        (None, Some("yes"))
    );
    assert_eq!(text(answer.headers(), "strict-transport-security"), Some("max-age=1"));
    let seen = &bank.production.received()[0];
    assert_eq!(
        (seen.values("x-env"), seen.values("x-internal"), seen.values("x_internal")),
        (vec!["prod"], vec![], vec![])
    );
    assert_eq!(seen.values("x-forwarded-proto"), ["gopher"]);
}
