//! Keys that name a template: who acts as their application, and what `check` says of it.

use std::path::Path;

use serde_json::json;

use crate::support::config::{Application, Config, api, application};
use crate::support::origin::Origin;
use crate::support::program::command;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

/// Realms of one server, and one application that is provisioned for all of them.
fn config(server: &str, rule: &str, application: Application) -> Config {
    let lines = format!(
        r#"type = "KeyCloak"
issuer = "{server}/realms/{{realm}}"
certificates = {{ jwks = "{server}/realms/{{realm}}/certs" }}
{rule}"#
    );
    Config::new()
        .key_manager("realms", &lines)
        .api(api("t:1.0.0").to(server))
        .application(application)
}

const PATTERN: &str = "organization_pattern = \"[a-z]+\"";

fn alpha(key_manager: &str) -> Application {
    application("alpha").key(key_manager, "app-alpha")
}

fn of_one(application: Application) -> Application {
    application.lines("organization = \"one\"")
}

/// The exit code and the report of `portcullis check`.
fn check(folder: &Path) -> (Option<i32>, String) {
    let output = command(folder, &["check"]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn checked(rule: &str, application: Application) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    config("https://kc.example", rule, application).write_to(folder.path());
    check(folder.path())
}

#[test]
fn a_key_of_a_template_without_an_organization_is_warned_of() {
    let words = "a client with that id in any organization acts as this application";
    for rule in [PATTERN, "organizations = [\"one\", \"two\"]"] {
        let (code, report) = checked(rule, alpha("realms"));
        assert_eq!(code, Some(0), "a warning is no error: {report}");
        assert!(report.contains("\"alpha\"") && report.contains(words), "{report}");
        let (code, report) = checked(rule, of_one(alpha("realms")));
        assert!(code == Some(0) && !report.contains(words), "{report}");
    }
    let (code, report) = checked("organizations = [\"one\", \"two\"]", alpha("realms/one"));
    assert!(code == Some(0) && !report.contains(words), "{report}");
}

#[test]
fn the_help_for_an_organization_that_is_not_listed_never_proposes_all() {
    for (rule, name) in [
        (PATTERN, "realms/one"),
        ("organizations = [\"one\", \"two\"]", "realms/three"),
        (PATTERN, "realm/one"),
    ] {
        let (code, report) = checked(rule, alpha(name));
        assert_eq!(code, Some(2), "{report}");
        assert!(report.contains(&format!("there is no key manager {name:?}")), "{report}");
        assert!(!report.contains("did you mean \"realms\"?"), "{report}");
    }
    let (_, report) = checked(PATTERN, alpha("realms/one"));
    assert!(report.contains("`organization`"), "{report}");
}

/// An issuer proves its realm, and a token of another realm can say what it likes.
#[tokio::test]
async fn an_application_that_names_its_realm_is_that_realms_alone() {
    let signer = Signer::new("key-1");
    let server = Origin::serving(Script::answer(
        200,
        &[("Content-Type", "application/json")],
        signer.jwks(),
    ));
    let config = config(&server.url(), PATTERN, of_one(alpha("realms")));
    let gateway = config.start().await;
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
