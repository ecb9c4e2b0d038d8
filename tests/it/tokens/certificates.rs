//! The certificate that a proxy tells of is believed in one header and one format, from trusted proxies alone: whoever
//! knows the victim's public certificate can write it into all the others.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::support::bank::Bank;
use crate::support::client::{Client, Connection, Protocol};
use crate::support::hand::{PATH, encoded};

/// The victim's certificate, as far as a digest goes.
const DER: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x05];

/// Headers by which servers tell of certificates.
const KIN: [&str; 14] = [
    "client-cert",
    "client-cert-chain",
    "client_cert",
    "x-wso2-client-certificate",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert",
    "x-amzn-mtls-clientcert",
    "x-amzn-mtls-clientcert-leaf",
    "x-client-cert",
    "x-ssl-client-cert",
    "ssl-client-cert",
    "ssl_client_cert",
    "x-arr-clientcert",
    "x-our-own-header",
];

async fn bank(settings: &str) -> Bank {
    Bank::of(|config| config.gateway(settings)).await
}

/// The thief's connection, with the victim's token.
struct Thief<'b> {
    bank: &'b Bank,
    connection: Connection,
    authorization: String,
}

impl Thief<'_> {
    async fn of(bank: &Bank) -> Thief<'_> {
        let token = bank.token_with(&json!({ "cnf": { "x5t#S256": encoded(DER) } }));
        let address = bank.gateway.url("/").parse().unwrap();
        let connection = Client::plain(Protocol::Http2).connect(&address).await.unwrap();
        Thief { bank, connection, authorization: format!("Bearer {token}") }
    }

    async fn send(&mut self, fields: &[(&str, &str)]) -> u16 {
        let mut request =
            Request::get(self.bank.gateway.url(PATH)).header("authorization", &self.authorization);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = self.connection.send(request.body(Bytes::new()).unwrap()).await.unwrap();
        answer.status().as_u16()
    }
}

fn field() -> String {
    format!(":{}:", STANDARD.encode(DER))
}

/// The victim's certificate in every format.
fn forms() -> [String; 5] {
    let base64 = STANDARD.encode(DER);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    let encoded = pem.replace('\n', "%0A").replace(' ', "%20");
    [
        format!(":{base64}:"),
        base64,
        encoded.clone(),
        STANDARD.encode(&pem),
        format!("Cert=\"{encoded}\""),
    ]
}

#[tokio::test]
async fn without_a_named_header_no_header_is_believed() {
    let bank = bank("trusted_proxies = [\"127.0.0.1\"]").await;
    let mut thief = Thief::of(&bank).await;
    for name in KIN {
        for form in forms() {
            assert_eq!(thief.send(&[(name, &form)]).await, 401, "{name}: {form}");
        }
    }
    let line = bank.gateway.log(1).await.remove(0);
    assert_eq!(line["reason"], "token_bound");
    assert!(bank.production.received().is_empty());
}

#[tokio::test]
async fn the_named_header_is_believed_from_a_trusted_proxy_and_no_other_one() {
    let named = "client_certificate_header = { name = \"Client-Cert\", format = \"rfc9440\" }";
    let bank = bank(&format!("trusted_proxies = [\"127.0.0.1\"]\n{named}")).await;
    let mut thief = Thief::of(&bank).await;
    assert_eq!(thief.send(&[("client-cert", &field())]).await, 200);
    assert_eq!(thief.send(&[]).await, 401);
    assert_eq!(thief.send(&[("client-cert", ":MAMCAQY=:")]).await, 401, "another one");
    for name in KIN.into_iter().filter(|name| *name != "client-cert") {
        for form in forms() {
            assert_eq!(thief.send(&[(name, &form)]).await, 401, "{name}: {form}");
            // what a proxy sends for a client without a certificate
            let beside = [("client-cert", ""), (name, form.as_str())];
            assert_eq!(thief.send(&beside).await, 401, "{name} beside an empty one");
        }
    }
    for form in &forms()[1..] {
        assert_eq!(thief.send(&[("client-cert", form)]).await, 401, "{form}");
    }
    for second in [field(), String::new(), ":MAMCAQY=:".to_owned()] {
        for fields in [[field(), second.clone()], [second.clone(), field()]] {
            let twice = [("client-cert", fields[0].as_str()), ("client-cert", fields[1].as_str())];
            assert_eq!(thief.send(&twice).await, 400, "{fields:?}");
            let two_and_kin = [twice[0], twice[1], ("x-wso2-client-certificate", &forms()[1])];
            assert_eq!(thief.send(&two_and_kin).await, 400);
        }
    }
    let received = bank.production.received();
    assert_eq!(received.len(), 1);
    assert!(received[0].values("client-cert").is_empty(), "it ends here");
}

#[tokio::test]
async fn a_stranger_is_not_believed_and_passes_nothing_on() {
    let named =
        "client_certificate_header = { name = \"X-Our-Own-Header\", format = \"base64_der\" }";
    let bank = bank(&format!("trusted_proxies = [\"192.0.2.1\"]\n{named}")).await;
    let mut thief = Thief::of(&bank).await;
    for form in forms() {
        assert_eq!(thief.send(&[("x-our-own-header", &form)]).await, 401, "{form}");
    }
    let forged: Vec<_> = KIN.into_iter().map(|name| (name, "forged")).collect();
    let mut request =
        Request::get(bank.gateway.url("/accounts/1.0.0/status")).header("x-kept", "1");
    for (name, value) in &forged {
        request = request.header(*name, *value);
    }
    assert_eq!(bank.gateway.send(request.body(Bytes::new()).unwrap()).await.status(), 200);
    let received = bank.production.wait_for(1).await.remove(0);
    for name in KIN {
        assert!(received.values(name).is_empty(), "{name} reaches the backend");
    }
    assert_eq!(received.values("x-kept"), ["1"]);
}

#[tokio::test]
async fn envoy_aws_nginx_and_azure_are_understood() {
    let bank = bank("").await;
    let mut thief = Thief::of(&bank).await;
    let [rfc9440, der, pem, _, xfcc] = forms();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &DER);
    let hash =
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let envoy =
        format!("By=spiffe://x;Hash={};Subject=\"\",By=spiffe://y;Hash={hash}", "0".repeat(64));
    for (name, format, value) in [
        ("X-Forwarded-Client-Cert", "xfcc", xfcc.as_str()),
        ("x-forwarded-client-cert", "xfcc", envoy.as_str()),
        ("X-Amzn-Mtls-Clientcert", "pem_urlencoded", pem.as_str()),
        ("ssl-client-cert", "pem_urlencoded", pem.as_str()),
        ("X-ARR-ClientCert", "base64_der", der.as_str()),
        ("X-WSO2-CLIENT-CERTIFICATE", "base64_der", der.as_str()),
        ("X-Our-Own-Header", "rfc9440", rfc9440.as_str()),
    ] {
        let named =
            format!("client_certificate_header = {{ name = \"{name}\", format = \"{format}\" }}");
        bank.reload(|config| config.gateway("trusted_proxies = [\"127.0.0.1\"]").gateway(&named))
            .await
            .unwrap();
        let seen = bank.production.received().len();
        assert_eq!(thief.send(&[(name, value)]).await, 200, "{name} {format}");
        assert_eq!(thief.send(&[("client-cert", &rfc9440)]).await, 401, "{name}");
        assert!(bank.production.received()[seen].values(name).is_empty());
    }
}
