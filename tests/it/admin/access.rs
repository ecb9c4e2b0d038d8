//! The role decides; what fails and what changes is counted; pages of other sites and callers behind proxies are nobody.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;

use crate::support::bank::Bank;
use crate::support::credentials::basic;
use crate::support::password::hash;

const PATH: &str = "/accounts/1.0.0/accounts/42";

const ROLES: [&str; 5] = ["admin", "operator", "publisher", "developer", "viewer"];

/// A gateway with a user of each role, called like the role; more lines belong to `[management]`.
async fn with_users(more: &str) -> Bank {
    let hash = hash();
    let users: Vec<_> = ROLES
        .map(|role| {
            format!("{{ name = \"{role}\", password_hash = \"{hash}\", roles = [\"{role}\"] }}")
        })
        .to_vec();
    let users = format!("users = [{}]", users.join(", "));
    Bank::of(|config| config.management(&users).management(more)).await
}

async fn call(
    bank: &Bank,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(bank.gateway.management_url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    bank.gateway.send(request.body(Bytes::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn the_role_decides() {
    let bank = with_users("").await;
    for role in ROLES {
        let credentials = basic(role, "secret");
        let headers = [("authorization", credentials.as_str())];
        let may_change = matches!(role, "admin" | "operator");
        let may_look = may_change || role == "viewer";
        let revocation = json!({ "key_manager": "bank-is", "jti": format!("of-{role}") });
        let revoked =
            call(&bank, "POST", "/revocations", &headers, &revocation.to_string()).await.status();
        assert_eq!(revoked.as_u16(), if may_change { 200 } else { 403 }, "{role} revokes");
        let listed = call(&bank, "GET", "/revocations", &headers, "").await.status();
        assert_eq!(listed.as_u16(), if may_look { 200 } else { 403 }, "{role} lists");
        let question = json!({ "request": format!("GET {PATH}") }).to_string();
        let explained = call(&bank, "POST", "/explain", &headers, &question).await.status();
        assert_eq!(explained.as_u16(), if may_look { 200 } else { 403 }, "{role} asks");
        let reloaded = call(&bank, "POST", "/reload", &headers, "").await.status();
        assert_eq!(reloaded.as_u16(), if may_change { 200 } else { 403 }, "{role} reloads");
    }
    let metrics = bank.gateway.metrics().await;
    for series in [
        "portcullis_management_sign_ins_total{result=\"success\"} 10",
        "portcullis_management_sign_ins_total{result=\"failure\"} 10",
        "portcullis_management_changes_total{change=\"revocation\",result=\"done\"} 2",
        "portcullis_management_changes_total{change=\"reload\",result=\"done\"} 2",
    ] {
        assert!(metrics.contains(series), "{series}: {metrics}");
    }
}

#[tokio::test]
async fn an_address_that_guesses_waits() {
    let bank = with_users("").await;
    let mut refused = 0;
    for _ in 0..12 {
        let wrong = basic("admin", "guess");
        let answer = call(&bank, "GET", "/revocations", &[("authorization", &wrong)], "").await;
        if answer.status() == 429 {
            assert!(answer.headers().contains_key("retry-after"));
            refused += 1;
        } else {
            assert_eq!(answer.status(), 401);
        }
    }
    assert!((1..=2).contains(&refused), "{refused}");
    // the right password is not looked at either: nobody learns by trying
    let right = basic("admin", "secret");
    let answer = call(&bank, "GET", "/revocations", &[("authorization", &right)], "").await;
    assert_eq!(answer.status(), 429);
    assert_eq!(bank.gateway.management("GET", "/readyz").await.status(), 200);
}

#[tokio::test]
async fn a_name_that_is_not_its_own_is_refused() {
    let bank = Bank::with("").await;
    let revocation = json!({ "token": bank.token() }).to_string();
    for host in ["evil.example", "127.0.0.1.evil.example:9443", "a.localhost.evil.example"] {
        let headers = [("host", host)];
        for (method, path) in [("GET", "/metrics"), ("POST", "/reload"), ("POST", "/revocations")] {
            let answer = call(&bank, method, path, &headers, &revocation).await;
            assert_eq!(answer.status(), 421, "{host} {path}");
        }
        assert_eq!(call(&bank, "GET", "/readyz", &headers, "").await.status(), 200, "a probe");
    }
    assert_eq!(bank.gateway.get(PATH, Some(&bank.token())).await.status(), 200);
    let named = with_users("hosts = [\"gw.bank.example\"]\n").await;
    let headers = [("host", "gw.bank.example:9443")];
    assert_eq!(call(&named, "GET", "/metrics", &headers, "").await.status(), 200);
}

#[tokio::test]
async fn who_comes_through_a_proxy_is_not_from_this_machine() {
    let bank = Bank::with("").await;
    for field in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let headers = [(field, "for=10.0.0.1")];
        assert_eq!(call(&bank, "POST", "/reload", &headers, "").await.status(), 403, "{field}");
        let revocation = json!({ "token": bank.token() }).to_string();
        let answer = call(&bank, "POST", "/revocations", &headers, &revocation).await;
        assert_eq!(answer.status(), 403, "{field}");
    }
    assert_eq!(bank.gateway.get(PATH, Some(&bank.token())).await.status(), 200);
    assert_eq!(call(&bank, "POST", "/reload", &[], "").await.status(), 200);
}

#[tokio::test]
async fn a_role_that_is_none_is_told() {
    let bank = Bank::open().await;
    let hash = hash();
    let management = format!(
        "[management]\nusers = [{{ name = \"a\", password_hash = \"{hash}\", roles = [\"root\"] }}]\n"
    );
    let path = bank.gateway.folder().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[management]\n", &management)).unwrap();
    let answer = bank.gateway.management("POST", "/reload").await;
    assert_eq!(answer.status(), 422);
    assert!(String::from_utf8_lossy(answer.body()).contains("cannot be \\\"root\\\""));
}
