//! Headers by which clients change what backends do, end at the gateway; the operator can say which.

use bytes::Bytes;
use http::Request;

use crate::support::bank::Bank;
use crate::support::client::RawConnection;

/// By which backends take another method, path, address or user than the gateway authorized.
const KIN: [&str; 24] = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-Method",
    "Proxy",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "X-Client-IP",
    "X-Real-IP",
    "X-Cluster-Client-IP",
    "X-Original-URI",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Envoy-Original-Path",
    "X-Envoy-Retry-On",
    "X-Envoy-Upstream-Rq-Timeout-Ms",
    "Remote-User",
    "X-Remote-User",
    "X-Forwarded-User",
    "X-WEBAUTH-USER",
    "X-Auth-Request-Email",
    "Impersonate-User",
    "X-HTTP_Method-Override",
];

const STATUS: &str = "/accounts/1.0.0/status";

async fn reaches(bank: &Bank, name: &str) -> bool {
    let seen = bank.production.received().len();
    let request =
        Request::get(bank.gateway.url(STATUS)).header(name, "DELETE").header("x-kept", "1");
    assert_eq!(bank.gateway.send(request.body(Bytes::new()).unwrap()).await.status(), 200);
    let received = bank.production.wait_for(seen + 1).await.remove(seen);
    assert_eq!(received.values("x-kept"), ["1"]);
    !received.values(name).is_empty()
}

#[tokio::test]
async fn what_changes_a_backend_is_removed_in_every_spelling() {
    let bank = Bank::open().await;
    for name in KIN {
        for spelled in [name.to_owned(), name.replace('-', "_"), name.to_lowercase()] {
            assert!(!reaches(&bank, &spelled).await, "{spelled}");
        }
    }
    for name in ["x-user-id", "x-api-version", "proxy-status", "x-override"] {
        assert!(reaches(&bank, name).await, "{name}");
    }
}

#[tokio::test]
async fn trailers_change_nothing_either() {
    let bank = Bank::open().await;
    let mut connection = RawConnection::open(bank.gateway.address()).await.unwrap();
    let token = bank.token();
    let head = format!(
        "POST /accounts/1.0.0/accounts HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\
         trailer: x-sum\r\n\r\n1\r\nx\r\n0\r\nx-sum: 1\r\nx_http_method_override: DELETE\r\nremote-user: root\r\n\r\n"
    );
    connection.send(head).await.unwrap();
    assert_eq!(connection.answer().await.unwrap().unwrap().status, 200);
    let received = bank.production.wait_for(1).await.remove(0);
    let names: Vec<&str> = received.trailers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-sum"]);
}

#[tokio::test]
async fn the_operators_list_stands_instead_of_the_default_one() {
    let own = "remove_request_headers = [\"X-Debug\", \"x-tenant-*\"]";
    let bank = Bank::of(|config| config.gateway(own)).await;
    for (name, expected) in [
        ("x-debug", false),
        ("X_Debug", false),
        ("X-Tenant-Id", false),
        ("x-tenant", true),
        ("x-http-method-override", true),
        ("cf-connecting-ip", true),
        ("x-wso2-client-certificate", false),
        ("portcullis-denial", false),
    ] {
        assert_eq!(reaches(&bank, name).await, expected, "{name}");
    }
    let bank = Bank::of(|config| config.gateway("remove_request_headers = []")).await;
    assert!(reaches(&bank, "x-original-uri").await);
}
