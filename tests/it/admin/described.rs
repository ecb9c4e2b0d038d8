//! Schemathesis calls a gateway by the documents that it serves: every answer is as they say.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::credentials::basic;
use crate::support::password::hash;

/// The documents, each with the path that it stands below.
const DOCUMENTS: [&str; 5] = [
    "/api/portcullis/v1",
    "/api/am/devportal/v3",
    "/api/am/publisher/v4",
    "/api/am/admin/v4",
    "/oauth2",
];

async fn bank() -> Bank {
    let hash = hash();
    let users = format!(
        "users = [{{ name = \"admin\", password_hash = \"{hash}\", roles = [\"admin\"] }}]"
    );
    Bank::of(|config| config.management(&users).tables("[portal]\nself_signup = true")).await
}

async fn first(bank: &Bank, path: &str) -> Value {
    let url = bank.gateway.management_url(path);
    let request = http::Request::get(url).header("authorization", basic("admin", "secret"));
    let answer = bank.gateway.send(request.body(bytes::Bytes::new()).unwrap()).await;
    let list: Value = serde_json::from_slice(answer.body()).unwrap();
    list["list"][0].clone()
}

/// Runs Schemathesis; what it found is in its output.
fn schemathesis(url: &str, known: &Value) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(root.join("target/schemathesis/bin/st"))
        .args(["run", url, "--auth", "admin:secret", "--no-color", "--warnings", "off"])
        .current_dir(root.join("tests/openapi"))
        .env("PORTCULLIS_KNOWN", known.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .status();
    status.expect("Schemathesis runs").success()
}

#[tokio::test]
#[ignore = "takes minutes, and invents other calls on another machine: README.md names the command"]
async fn every_answer_is_as_the_documents_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = Command::new("bash").arg(root.join("tests/openapi/install")).status();
    assert!(installed.expect("bash runs").success(), "tests/openapi/install failed");
    let bank = bank().await;
    let api = first(&bank, "/api/am/devportal/v3/apis").await["id"].clone();
    let key_manager = first(&bank, "/api/am/devportal/v3/key-managers").await["name"].clone();
    let known = json!({
        "throttlingPolicy": ["Unlimited"],
        "requestedThrottlingPolicy": ["Unlimited", "", null],
        "apiId": [api],
        "keyManager": [key_manager],
        "from": [key_manager],
        "to": [key_manager],
        "owner": ["admin", null],
    });
    let mut failed = Vec::new();
    for path in DOCUMENTS {
        let url = bank.gateway.management_url(&format!("{path}/openapi.json"));
        let known = known.clone();
        let run = tokio::task::spawn_blocking(move || schemathesis(&url, &known));
        if !run.await.unwrap() {
            failed.push(path);
        }
    }
    assert!(failed.is_empty(), "Schemathesis found faults below {failed:?}");
}
