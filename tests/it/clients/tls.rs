//! TLS listeners: both protocols by ALPN.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use portcullis::demo::certificates;
use portcullis::supervise::clock::SystemClock;

use crate::support::bank;
use crate::support::client::{Client, Protocol, RawConnection};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::signer::{Signer, claims};

/// A gateway with a listener "https", and the authority of its certificate.
async fn gateway(folder: &Path, production: &Origin, signer: &Signer) -> (Gateway, String) {
    certificates::make(&folder.join("certs"), &SystemClock).unwrap();
    let ca = std::fs::read_to_string(folder.join("certs/dev-ca.crt")).unwrap();
    let url = production.url();
    bank::config(&url, &url, signer).tls_listener("https", "").write_to(folder);
    (Gateway::start_in(folder, None).await, ca)
}

#[tokio::test]
async fn a_connection_that_rested_wakes_for_its_next_request() {
    let (production, signer, folder) =
        (Origin::start(), Signer::new("key-1"), tempfile::tempdir().unwrap());
    let (gateway, ca) = gateway(folder.path(), &production, &signer).await;
    let mut connection =
        RawConnection::open_tls(gateway.at("https"), "localhost", &ca).await.unwrap();
    for _ in 0..2 {
        connection.send("GET /accounts/1.0.0/status HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(connection.answer().await.unwrap().expect("an answer").status, 200);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    connection.finish().await.unwrap();
    assert!(connection.rest().await.unwrap().is_empty());
}

#[tokio::test]
async fn both_protocols_are_spoken_over_tls() {
    let (production, signer, folder) =
        (Origin::start(), Signer::new("key-1"), tempfile::tempdir().unwrap());
    let (gateway, ca) = gateway(folder.path(), &production, &signer).await;
    let token = signer.sign(&claims(bank::ISSUER, "good", "accounts:read"));
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let url =
            format!("https://localhost:{}/accounts/1.0.0/accounts/42", gateway.at("https").port());
        let request = Request::get(url)
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new())
            .unwrap();
        let answer = Client::tls(protocol, &ca).send(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{protocol:?}");
    }
    let received = production.wait_for(2).await;
    assert!(
        received.iter().all(|received| received.values("x-forwarded-proto") == ["https"]),
        "{received:?}"
    );
}
