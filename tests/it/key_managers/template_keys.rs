//! Keys that name a template: who acts as their application, and what `check` says of it.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::gateway::{FRONT, Gateway};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

/// Realms of one server, and one application that is provisioned for all of them.
fn file(server: &str, rule: &str, application: &str) -> String {
    format!(
        r#"{FRONT}
[[key_managers]]
name = "realms"
type = "KeyCloak"
issuer = "{server}/realms/{{realm}}"
certificates = {{ jwks = "{server}/realms/{{realm}}/certs" }}
{rule}
[[apis]]
name = "t"
version = "1.0.0"
context = "/t"
production = {{ urls = ["{server}"] }}
operations = [{{ method = "*", path = "/*" }}]
[[applications]]
name = "alpha"
{application}
subscriptions = [{{ api = "t:1.0.0" }}]
"#
    )
}

const PATTERN: &str = "organization_pattern = \"[a-z]+\"";
const KEY: &str =
    "keys = [{ type = \"production\", key_manager = \"realms\", consumer_key = \"app-alpha\" }]";

/// The exit code and the report of `portcullis check`.
fn check(folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .current_dir(folder)
        .arg("check")
        .env_remove("PORTCULLIS_CONFIG")
        .output()
        .expect("the program runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn checked(rule: &str, application: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let text = file("https://kc.example", rule, application);
    std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
    check(folder.path())
}

#[test]
fn a_key_of_a_template_without_an_organization_is_warned_of() {
    let words = "a client of that id in any organization acts as this application";
    for rule in [PATTERN, "organizations = [\"one\", \"two\"]"] {
        let (code, report) = checked(rule, KEY);
        assert_eq!(code, Some(0), "a warning is no error: {report}");
        assert!(report.contains("\"alpha\"") && report.contains(words), "{report}");
        let (code, report) = checked(rule, &format!("organization = \"one\"\n{KEY}"));
        assert!(code == Some(0) && !report.contains(words), "{report}");
    }
    let one = KEY.replace("\"realms\"", "\"realms/one\"");
    let (code, report) = checked("organizations = [\"one\", \"two\"]", &one);
    assert!(code == Some(0) && !report.contains(words), "{report}");
}

#[test]
fn the_help_for_an_organization_that_is_not_listed_never_proposes_all() {
    for (rule, name) in [
        (PATTERN, "realms/one"),
        ("organizations = [\"one\", \"two\"]", "realms/three"),
        (PATTERN, "realm/one"),
    ] {
        let (code, report) = checked(rule, &KEY.replace("\"realms\"", &format!("{name:?}")));
        assert_eq!(code, Some(2), "{report}");
        assert!(report.contains(&format!("there is no key manager {name:?}")), "{report}");
        assert!(!report.contains("did you mean \"realms\"?"), "{report}");
    }
    let (_, report) = checked(PATTERN, &KEY.replace("\"realms\"", "\"realms/one\""));
    assert!(report.contains("`organization`"), "{report}");
}

/// An issuer proves its realm, and a token of another realm can say what it likes.
#[tokio::test]
async fn an_application_that_names_its_realm_is_that_realms_alone() {
    let (signer, folder) = (Signer::new("key-1"), tempfile::tempdir().unwrap());
    let server = Origin::serving(Script::answer(
        200,
        &[("Content-Type", "application/json")],
        signer.jwks(),
    ));
    let text = file(&server.url(), PATTERN, &format!("organization = \"one\"\n{KEY}"));
    std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
    let path = folder.path().to_owned();
    let gateway = Gateway::start_in(&path, Some(folder)).await;
    for (realm, org_id, status) in
        [("one", None, 200), ("two", None, 401), ("two", Some("one"), 401), ("one", Some("x"), 200)]
    {
        let mut claims = claims(&format!("{}/realms/{realm}", server.url()), "app-alpha", "");
        if let Some(org_id) = org_id {
            claims["org_id"] = json!(org_id);
        }
        let answer = gateway.get("/t/1.0.0/x", Some(&signer.sign(&claims))).await;
        assert_eq!(answer.status(), status, "{realm} {org_id:?}");
    }
}
