//! `portcullis check --registration`: one client is made and deleted.

use std::process::Output;

use serde_json::json;

use crate::support::config::{Config, api};
use crate::support::idp::Idp;
use crate::support::origin::Origin;
use crate::support::program::command;
use crate::support::script::Script;

fn check(config: &Config, name: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    config.write_to(folder.path());
    let output = command(folder.path(), &["check", "--registration", name]).output().unwrap();
    let told = [output.stdout.clone(), output.stderr.clone()].concat();
    (output, String::from_utf8_lossy(&told).into_owned())
}

fn config(lines: &str) -> Config {
    let api = api("a:1.0.0").to("http://127.0.0.1:1").without_subscription();
    Config::new().key_manager("sso", lines).api(api)
}

#[tokio::test]
async fn a_client_is_made_at_a_real_server_and_deleted() {
    let idp = Idp::start(&["keycloak"]).await;
    let config = config(&format!(
        "type = \"KeyCloak\"\nwell_known_url = \"{}\"\n\
         registration = {{ initial_access_token = \"keycloak-initial-token\" }}",
        idp.well_known("keycloak"),
    ));
    let told = tokio::task::spawn_blocking(move || check(&config, "sso")).await.unwrap();
    assert_eq!(told.0.status.code(), Some(0), "{}", told.1);
    assert!(
        told.1.contains("made the client") && told.1.contains("deleted it again"),
        "{}",
        told.1
    );
    assert!(!told.1.contains("keycloak-initial-token"), "{}", told.1);
}

#[tokio::test]
async fn a_refusal_and_a_client_that_is_left_are_told() {
    let server = Origin::start();
    let url = server.url();
    let config = config(&format!(
        "issuer = \"https://sso.example\"\ncertificates = {{ jwks = \"{url}/jwks\" }}\n\
         client_registration_endpoint = \"{url}/register\""
    ));
    let json_type = [("content-type", "application/json")];
    let client = json!({
        "client_id": "left", "registration_access_token": "t",
        "registration_client_uri": format!("{url}/register/left"),
    });
    for (scripts, part) in [
        (
            vec![Script::answer(403, &json_type, "{\"error\": \"not_you\"}")],
            "answered 403 (not_you)",
        ),
        (
            vec![Script::answer(201, &json_type, client.to_string()), Script::answer(500, &[], "")],
            "the client left is left at the server",
        ),
    ] {
        for script in scripts {
            server.once(script);
        }
        let config = config.clone();
        let told = tokio::task::spawn_blocking(move || check(&config, "sso")).await.unwrap();
        assert_eq!(told.0.status.code(), Some(1), "{}", told.1);
        assert!(told.1.contains(part), "{}", told.1);
    }
    let told = tokio::task::spawn_blocking(move || check(&config, "nobody")).await.unwrap();
    assert_eq!(told.0.status.code(), Some(1), "{}", told.1);
    assert!(told.1.contains("no key manager \"nobody\""), "{}", told.1);
}
