//! Who may connect: PROXY headers, client certificates, bounds by address, drains and takeovers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use portcullis::demo::certificates;
use portcullis::supervise::clock::SystemClock;

use crate::support::bank::{self, Bank};
use crate::support::client::{Client, Protocol, RawConnection};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::signer::Signer;

const PATH: &str = "/accounts/1.0.0/status";

async fn listener(lines: &str) -> Bank {
    let bank = Bank::with(&format!(
        "[[listeners]]\nname = \"more\"\naddress = \"127.0.0.1:0\"\n{lines}\n"
    ))
    .await;
    bank.gateway.ready().await;
    bank
}

fn request() -> String {
    format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

async fn answer(bank: &Bank, bytes: impl AsRef<[u8]>) -> Option<u16> {
    let mut connection = RawConnection::open(bank.gateway.at("more")).await.unwrap();
    connection.send(bytes).await.unwrap();
    connection.answer().await.ok().flatten().map(|answer| answer.status)
}

fn binary() -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([0x21, 0x11, 0, 12, 203, 0, 113, 9, 198, 51, 100, 1, 0xC7, 0x38, 1, 0xBB]);
    bytes
}

#[tokio::test]
async fn a_proxy_header_says_who_the_client_is() {
    let bank = listener("proxy_protocol = \"required\"").await;
    let line = "PROXY TCP4 203.0.113.7 198.51.100.1 51000 443\r\n";
    assert_eq!(answer(&bank, format!("{line}{}", request())).await, Some(200));
    assert_eq!(answer(&bank, [binary(), request().into_bytes()].concat()).await, Some(200));
    let seen = bank.production.wait_for(2).await;
    assert_eq!(
        (seen[0].values("x-forwarded-for"), seen[1].values("x-forwarded-for")),
        (vec!["203.0.113.7"], vec!["203.0.113.9"])
    );
    assert!(bank.gateway.log(2).await.iter().any(|line| line["remote"] == "203.0.113.7:51000"));
    assert_eq!(answer(&bank, request()).await, None, "one is required");
    assert_eq!(answer(&bank, format!("PROXY TCP4 nobody\r\n{}", request())).await, None);
    let metrics = bank.gateway.metrics().await;
    assert!(
        metrics.contains(
            "portcullis_connections_refused_total{listener=\"more\",reason=\"proxy_header\"} 2"
        ),
        "{metrics}"
    );
}

#[tokio::test]
async fn where_it_is_optional_a_client_may_speak_for_itself() {
    let bank = listener("proxy_protocol = \"optional\"").await;
    assert_eq!(answer(&bank, request()).await, Some(200));
    assert_eq!(
        answer(&bank, format!("PROXY TCP6 2001:db8::7 2001:db8::1 5 443\r\n{}", request())).await,
        Some(200)
    );
    assert_eq!(answer(&bank, format!("PROXY UNKNOWN\r\n{}", request())).await, Some(200));
    // in pieces
    let mut connection = RawConnection::open(bank.gateway.at("more")).await.unwrap();
    for piece in binary().chunks(5) {
        connection.send(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    connection.send(request()).await.unwrap();
    assert_eq!(connection.answer().await.unwrap().unwrap().status, 200);
    let seen = bank.production.wait_for(4).await;
    let clients: Vec<_> = seen.iter().map(|request| request.values("x-forwarded-for")[0]).collect();
    assert_eq!(clients, ["127.0.0.1", "2001:db8::7", "127.0.0.1", "203.0.113.9"]);
}

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let bank = listener("max_connections_per_address = 2").await;
    let (mut one, mut two) = (
        RawConnection::open(bank.gateway.at("more")).await.unwrap(),
        RawConnection::open(bank.gateway.at("more")).await.unwrap(),
    );
    for connection in [&mut one, &mut two] {
        connection.send(format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n")).await.unwrap();
        assert_eq!(connection.answer().await.unwrap().unwrap().status, 200);
    }
    assert_eq!(answer(&bank, request()).await, None);
    drop(one);
    let started = Instant::now();
    while answer(&bank, request()).await.is_none() {
        assert!(started.elapsed() < Duration::from_secs(5), "the place is not given back");
    }
    assert!(bank.gateway.metrics().await.contains("reason=\"address\"}"));
}

#[tokio::test]
async fn clients_show_a_certificate_that_is_believed() {
    let (production, sandbox) = (Origin::start(), Origin::start());
    let folder = tempfile::tempdir().unwrap();
    certificates::make(&folder.path().join("certs"), &SystemClock).unwrap();
    let (authority, certificate, key) = client_certificate();
    std::fs::write(folder.path().join("certs/clients-ca.crt"), authority).unwrap();
    let client =
        |auth: &str| format!("client_auth = \"{auth}\"\nclient_ca = \"certs/clients-ca.crt\"");
    bank::config(&production.url(), &sandbox.url(), &Signer::new("key-1"))
        .tls_listener("https", &client("required"))
        .tls_listener("more", &client("optional"))
        .write_to(folder.path());
    let gateway = Gateway::start_in(folder.path(), None).await;
    let ca = std::fs::read_to_string(folder.path().join("certs/dev-ca.crt")).unwrap();
    let ask = async |listener: &str, client: &Client| {
        let url = format!("https://localhost:{}{PATH}", gateway.at(listener).port());
        client
            .send(Request::get(url).body(Bytes::new()).unwrap())
            .await
            .ok()
            .map(|answer| answer.status().as_u16())
    };
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (bare, shown) = (
            Client::tls(protocol, &ca),
            Client::with_certificate(protocol, &ca, &certificate, &key),
        );
        assert_eq!(
            (ask("https", &bare).await, ask("https", &shown).await),
            (None, Some(200)),
            "{protocol:?}"
        );
        assert_eq!(
            (ask("more", &bare).await, ask("more", &shown).await),
            (Some(200), Some(200)),
            "{protocol:?}"
        );
        let (_, stranger, strangers_key) = client_certificate();
        let stranger = Client::with_certificate(protocol, &ca, &stranger, &strangers_key);
        assert_eq!(
            (ask("https", &stranger).await, ask("more", &stranger).await),
            (None, None),
            "{protocol:?}"
        );
    }
}

/// PEM: an authority, a certificate of it for a client, and its key.
pub(crate) fn client_certificate() -> (String, String, String) {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    };
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["client.example".to_owned()]).unwrap();
    // with the authority's name it would look self-signed to OpenSSL
    params.distinguished_name.push(DnType::CommonName, "client.example");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    (authority_pem, params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_drain_goes_on_accepting_for_its_delay() {
    let bank = Bank::of(|config| config.gateway("drain_delay = \"1500ms\"")).await;
    let gateway = bank.gateway;
    gateway.ready().await;
    let (address, url) = (gateway.address(), gateway.url(PATH));
    let stopping = tokio::task::spawn_blocking(move || drop(gateway));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let client = Client::plain(Protocol::Http1);
    let answer = client.send(Request::get(&url).body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200, "still accepted");
    stopping.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
