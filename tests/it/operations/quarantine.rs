//! A reload goes without what is broken, if the operator wants that, and says so.

use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::config::{Config, api};
use crate::support::gateway::json as body;
use crate::support::origin::Origin;
use crate::support::program::Program;

const PATH: &str = "/accounts/1.0.0/accounts/42";

/// One more API with this backend.
fn with(config: Config, quarantine: bool, backend: &str) -> Config {
    let trial = api("trial:1.0.0").to(backend).operation("method = \"GET\", path = \"/*\"");
    config.gateway(&format!("quarantine = {quarantine}")).api(trial.without_subscription())
}

async fn ready(bank: &Bank) -> (u16, Value) {
    let answer = bank.gateway.management("GET", "/readyz").await;
    (answer.status().as_u16(), body(&answer))
}

#[tokio::test]
async fn a_broken_api_is_left_out_and_comes_back() {
    let bank = Bank::open().await;
    let refused = bank.reload(|config| with(config, false, "ftp://nowhere")).await.unwrap_err();
    assert!(refused.contains("ftp://nowhere"), "{refused}");
    assert_eq!(ready(&bank).await.1["quarantined"], Value::Null);
    bank.reload(|config| with(config, true, "ftp://nowhere")).await.unwrap();
    let (status, shown) = ready(&bank).await;
    assert_eq!(status, 200);
    let told = shown["quarantined"][0].as_str().unwrap();
    assert!(told.starts_with("API trial 1.0.0: ") && told.contains("ftp"), "{shown}");
    assert_eq!(bank.gateway.metric("portcullis_quarantined").await, 1);
    assert_eq!(bank.gateway.metric("portcullis_config_last_reload_success").await, 1);
    let token = bank.token();
    assert_eq!(bank.gateway.status(PATH, &token).await, 200);
    assert_eq!(bank.gateway.status("/trial/1.0.0/x", &token).await, 404);
    let answer = bank.gateway.management("POST", "/reload").await;
    let answer = body(&answer);
    assert_eq!((&answer["status"], &answer["quarantined"][0]), (&json!("reloaded"), &json!(told)));
    let backend = bank.production.url();
    bank.reload(|config| with(config, true, &backend)).await.unwrap();
    assert_eq!(bank.gateway.metric("portcullis_quarantined").await, 0);
    assert_eq!(bank.gateway.status("/trial/1.0.0/x", &token).await, 200);
}

#[test]
fn the_command_asks_the_gateway_although_the_file_has_an_error() {
    let origin = Origin::start();
    let mut program = Program::new(&origin.url(), "[gateway]\nquarantine = true\n");
    program.start();
    program.wait_until_ready();
    program.edit("max_body_bytes = \"1KiB\"", "max_body_bytes = \"wrong\"");
    let reloaded = program.command(&["reload"]);
    let told = String::from_utf8_lossy(&reloaded.stderr).into_owned();
    assert_eq!(reloaded.status.code(), Some(0), "{told}");
    assert!(told.contains("left out: API accounts 1.0.0: "), "{told}");
    // without `quarantine` the error is told, and nobody is asked
    program.edit("quarantine = true", "quarantine = false");
    let refused = program.command(&["reload"]);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}
