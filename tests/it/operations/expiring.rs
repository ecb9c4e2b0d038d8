//! Certificates that have expired, or will, are loaded, and operators hear of it; new ones are used at once.

use std::fs;

use bytes::Bytes;
use http::Request;
use rcgen::{CertificateParams, KeyPair};

use crate::support::client::{Client, Protocol};
use crate::support::origin::Origin;
use crate::support::program::Program;
use crate::support::until;

/// The same moment as `date_time_ymd(2020, 1, 1)`.
const NEW_YEAR_2020: u64 = 1_577_836_800;

fn certificate(program: &Program, name: &str, year: i32) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let pem = params.self_signed(&key).unwrap().pem();
    fs::write(program.path().join(format!("{name}.pem")), pem).unwrap();
    fs::write(program.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn an_expired_certificate_is_used_with_a_warning_and_a_metric() {
    let origin = Origin::start();
    let mut program = Program::new(&origin.url(), "");
    certificate(&program, "expired", 2020);
    certificate(&program, "fresh", 2100);
    program.edit(
        "[management]",
        "[listeners.tls]\ncertificate = \"expired.pem\"\nkey = \"expired.key\"\n\
         [[listeners.tls.sni]]\nnames = [\"fresh.example\"]\ncertificate = \"fresh.pem\"\nkey = \"fresh.key\"\n\
         [management]",
    );
    let told = program.command(&["check"]);
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(0), "{text}");
    assert!(text.contains("expired.pem (the certificate of a listener) expired "), "{text}");
    assert!(!text.contains("fresh.pem"), "{text}");
    program.start();
    program.wait_until_ready();
    program.wait_for_log("expired.pem (the certificate of a listener) expired ");
    let metrics = program.metrics().await;
    let found = metrics.lines().any(|line| {
        line.starts_with("portcullis_certificate_not_after_timestamp_seconds{role=\"listener\"")
            && line.contains("expired.pem")
            && line.ends_with(&format!(" {NEW_YEAR_2020}"))
    });
    assert!(found, "{metrics}");
}

/// Tells whether the management listener shows the certificate that lies in the folder now.
async fn is_shown(program: &Program) -> bool {
    let ca = fs::read_to_string(program.path().join("management.pem")).unwrap();
    let url = format!("https://localhost:{}/livez", program.management);
    let request = Request::get(url).body(Bytes::new()).unwrap();
    Client::tls(Protocol::Http1, &ca).send(request).await.is_ok()
}

#[tokio::test]
async fn a_new_certificate_of_the_management_listener_needs_no_restart() {
    let origin = Origin::start();
    let mut program = Program::new(&origin.url(), "");
    certificate(&program, "management", 2100);
    let pair = "tls = { certificate = \"management.pem\", key = \"management.key\" }";
    program.edit("[management]\n", &format!("[management]\n{pair}\n"));
    program.start();
    program.wait_until_ready();
    assert!(is_shown(&program).await);
    certificate(&program, "management", 2101);
    until("the new one is shown", async || is_shown(&program).await, |shown| *shown).await;
}
