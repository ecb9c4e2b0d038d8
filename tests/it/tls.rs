//! TLS listeners: both protocols by ALPN.

use bytes::Bytes;
use http::Request;
use portcullis::demo::certificates;
use portcullis::supervise::clock::SystemClock;

use crate::support::bank;
use crate::support::client::{Client, Protocol};
use crate::support::gateway::{FRONT, Gateway};
use crate::support::origin::Origin;
use crate::support::signer::{Signer, claims};

const LISTENER: &str = r#"
[[listeners]]
name = "https"
address = "127.0.0.1:0"
[listeners.tls]
certificate = "certs/gateway.crt"
key = "certs/gateway.key"
"#;

#[tokio::test]
async fn both_protocols_are_spoken_over_tls() {
    let (production, sandbox) = (Origin::start(), Origin::start());
    let signer = Signer::new("key-1");
    let folder = tempfile::tempdir().unwrap();
    certificates::make(&folder.path().join("certs"), &SystemClock).unwrap();
    let ca = std::fs::read_to_string(folder.path().join("certs/dev-ca.crt")).unwrap();
    std::fs::write(folder.path().join("keys.json"), signer.jwks()).unwrap();
    let text = format!("{FRONT}{}{LISTENER}", bank::file(&production.url(), &sandbox.url()));
    std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
    let gateway = Gateway::start_in(folder.path(), None).await;
    let token = signer.sign(&claims(bank::ISSUER, "good", "accounts:read"));
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let url = format!("https://localhost:{}/accounts/1.0.0/accounts/42", gateway.at("https").port());
        let request = Request::get(url).header("authorization", format!("Bearer {token}")).body(Bytes::new()).unwrap();
        let answer = Client::tls(protocol, &ca).send(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{protocol:?}");
    }
    let received = production.wait_for(2).await;
    assert!(received.iter().all(|received| received.values("x-forwarded-proto") == ["https"]), "{received:?}");
}
