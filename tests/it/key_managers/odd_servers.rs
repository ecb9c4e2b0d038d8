//! Authorization servers and backends that are set up in ways that are odd and common: certificates that `openssl req -x509`
//! makes, one discovery document for all tenants, types and names of newer RFCs, proxies around them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::config::{Config, api, application};
use crate::support::gateway::json as body;
use crate::support::origin::Origin;
use crate::support::program::command;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

const PATH: &str = "/orders/1.0.0/1";
const ISSUER: &str = "https://as.example";

fn config(source: &str, backend: &str) -> Config {
    Config::new()
        .key_manager("as", &format!("issuer = \"{ISSUER}\"\n{source}"))
        .api(api("orders:1.0.0").to(backend))
        .application(application("app").key("as", "client"))
}

/// A certificate for "localhost" as `openssl req -x509 -addext subjectAltName=DNS:localhost` makes it: its own issuer, and
/// marked as an authority.
struct SelfSigned {
    pem: String,
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
}

impl SelfSigned {
    fn new(name: &str, expired: bool) -> SelfSigned {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        if expired {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        }
        let certificate = params.self_signed(&pair).unwrap();
        SelfSigned {
            pem: certificate.pem(),
            chain: vec![certificate.der().clone()],
            key: rustls::pki_types::PrivatePkcs8KeyDer::from(pair.serialize_der()).into(),
        }
    }

    /// A server that shows it and answers every request with this body.
    async fn serve(&self, content: String) -> (SocketAddr, JoinSet<()>) {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{content}",
                    content.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        (address, tasks)
    }
}

/// What readiness says is missing, for a server with this certificate and this `ca`.
async fn missing(shown: &SelfSigned, ca: &str) -> String {
    let (address, _tasks) = shown.serve(Signer::new("k").jwks()).await;
    let source = format!(
        "certificates = {{ jwks = \"https://localhost:{}/jwks\" }}\nca = \"ca.crt\"",
        address.port()
    );
    let gateway = config(&source, "http://127.0.0.1:9").beside("ca.crt", ca).start().await;
    // its first look decides
    let token = Signer::new("k").sign(&claims(ISSUER, "client", ""));
    gateway.get(PATH, Some(&token)).await;
    let ready = gateway.management("GET", "/readyz").await;
    body(&ready)["missing"].to_string()
}

#[tokio::test]
async fn a_self_signed_authority_that_stands_in_ca_is_the_server_itself() {
    let shown = SelfSigned::new("localhost", false);
    let signer = Signer::new("k");
    let (server, _server) = shown.serve(signer.jwks()).await;
    let (backend, _backend) = shown.serve("{\"from\":\"the backend\"}".to_owned()).await;
    // as an editor of Windows writes it
    let ca = format!("\u{feff}{}", shown.pem);
    let source = format!(
        "certificates = {{ jwks = \"https://localhost:{}/jwks\" }}\nca = \"ca.crt\"",
        server.port()
    );
    let backend = format!("https://localhost:{}", backend.port());
    let gateway = Config::new()
        .key_manager("as", &format!("issuer = \"{ISSUER}\"\n{source}"))
        .api(api("orders:1.0.0").to(&backend).production("tls = { ca = \"ca.crt\" }"))
        .application(application("app").key("as", "client"))
        .beside("ca.crt", ca)
        .start()
        .await;
    gateway.ready().await;
    let answer = gateway.get(PATH, Some(&signer.sign(&claims(ISSUER, "client", "")))).await;
    assert_eq!((answer.status().as_u16(), &body(&answer)["from"]), (200, &json!("the backend")));
}

#[tokio::test]
async fn nothing_else_is_taken_for_it_and_the_reason_is_said_in_words() {
    let (shown, twin) = (SelfSigned::new("localhost", false), SelfSigned::new("localhost", false));
    let said = missing(&shown, &twin.pem).await;
    assert!(!said.contains("OtherError") && !said.contains("UnknownIssuer"), "{said}");
    assert!(
        said.contains("shows a certificate that is marked as an authority (CA:TRUE)"),
        "{said}"
    );

    let other = SelfSigned::new("other.example", false);
    let said = missing(&other, &other.pem).await;
    assert!(said.contains("for other.example, not for localhost"), "{said}");

    let old = SelfSigned::new("localhost", true);
    let said = missing(&old, &old.pem).await;
    assert!(said.contains("has expired"), "{said}");
}

#[tokio::test]
async fn a_backends_certificate_is_refused_in_words() {
    let shown = SelfSigned::new("localhost", false);
    let signer = Signer::new("k");
    let server = Origin::serving(Script::answer(200, &[], signer.jwks()));
    let (backend, _tasks) = shown.serve("{}".to_owned()).await;
    let source = format!("certificates = {{ jwks = \"{}/jwks\" }}", server.url());
    let backend = format!("https://localhost:{}", backend.port());
    let gateway = config(&source, &backend).start().await;
    gateway.ready().await;
    let answer = gateway.get(PATH, Some(&signer.sign(&claims(ISSUER, "client", "")))).await;
    assert!(answer.status().is_server_error());
    let line = gateway.log(1).await.remove(0).to_string();
    assert!(line.contains("marked as an authority (CA:TRUE)"), "{line}");
    assert!(!line.contains("CaUsedAsEndEntity"), "{line}");
}

#[tokio::test]
async fn a_discovery_document_for_all_tenants_is_no_issuer() {
    let server = Origin::start();
    // the answer of https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration, as of November 2026
    let document = json!({
        "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
        "jwks_uri": format!("{}/common/discovery/v2.0/keys", server.url()),
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    server.always(Script::answer(
        200,
        &[("Content-Type", "application/json")],
        document.to_string(),
    ));
    let url = format!("{}/common/v2.0/.well-known/openid-configuration", server.url());
    for issuer in ["", "issuer = \"https://login.microsoftonline.com/1111/v2.0\"\n"] {
        let source = format!("type = \"AzureAD\"\n{issuer}well_known_url = \"{url}\"");
        let config = Config::new()
            .key_manager("as", &source)
            .api(api("orders:1.0.0").to("http://127.0.0.1:9"))
            .application(application("app").key("as", "client"));
        let gateway = config.start().await;
        let token = Signer::new("k").sign(&claims(
            "https://login.microsoftonline.com/1111/v2.0",
            "client",
            "",
        ));
        assert_eq!(gateway.get(PATH, Some(&token)).await.status(), 503);
        let ready = gateway.management("GET", "/readyz").await;
        assert_eq!(ready.status(), 503);
        let said = body(&ready)["missing"].to_string();
        assert!(said.contains("a template for many tenants"), "{said}");
        assert!(said.contains("/<tenant id>/v2.0/.well-known/openid-configuration"), "{said}");

        let folder = tempfile::tempdir().unwrap();
        config.write_to(folder.path());
        let told = check(folder.path(), &["--fetch"], &[]);
        assert!(!told.0 && told.1.contains("a template for many tenants"), "{told:?}");
    }
}

/// `portcullis check` in this folder and environment: whether it is content, and what it prints.
fn check(folder: &Path, options: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = command(folder, &[&["check"], options].concat());
    for name in ["NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn no_proxy_is_read_in_the_forms_in_which_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = ("HTTPS_PROXY", "http://proxy.example:3128");
    for (server, exceptions, direct) in [
        ("https://is.bank.example:9443", "*.bank.example", true),
        ("https://is.bank.example:9443", "IS.bank.example:9443", true),
        ("https://is.bank.example:9443", "is.bank.example:443", false),
        ("https://is.bank.example:9443", ".other.example bank.example", true),
        ("https://192.0.2.7", "*", true),
        ("https://192.0.2.7", "192.0.2.0/24", true),
        ("https://[2001:db8::7]:8443", "[2001:DB8::7]", true),
        ("https://192.0.2.7", "192.0.3.0/24", false),
    ] {
        let source = format!("certificates = {{ jwks = \"{server}/jwks\" }}");
        config(&source, "http://127.0.0.1:9").write_to(folder.path());
        let (good, told) = check(folder.path(), &[], &[proxy, ("NO_PROXY", exceptions)]);
        let way = if direct { "directly" } else { "through http://proxy.example:3128" };
        assert!(good && told.contains(&format!("{server}/jwks {way}")), "{exceptions}: {told}");
    }
}

#[tokio::test]
async fn a_key_set_is_asked_for_by_its_own_type_and_read_as_it_comes() {
    let signer = Signer::new("k");
    let set = format!("\u{feff}\n{}", signer.jwks());
    let server = Origin::serving(Script::answer(
        200,
        &[("Content-Type", "application/jwk-set+json; charset=utf-8")],
        set.clone(),
    ));
    let backend = Origin::start();
    let source = format!(
        "certificates = {{ jwks = \"{}/jwks\" }}\njwks_min_refetch = \"1ms\"",
        server.url()
    );
    let gateway = config(&source, &backend.url()).start().await;
    gateway.ready().await;
    let token = signer.sign(&claims(ISSUER, "client", ""));
    assert_eq!(gateway.get(PATH, Some(&token)).await.status(), 200);
    let received = server.received().remove(0);
    let accepted = received.values("accept").join(",");
    assert!(
        accepted.contains("application/jwk-set+json") && accepted.contains("application/json"),
        "{accepted}"
    );
    assert_eq!(received.values("accept-encoding"), ["identity"]);

    server.always(Script::answer(
        200,
        &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
        "not read",
    ));
    let refreshed = gateway.management("POST", "/key-managers/as/refresh").await;
    let told = body(&refreshed);
    assert!(told["detail"].as_str().unwrap().contains("encoded as gzip"), "{told}");
    assert_eq!(gateway.get(PATH, Some(&token)).await.status(), 200, "known keys stay");
}
