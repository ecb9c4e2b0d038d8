//! The binary as an operator uses it: commands and exit codes.

use std::path::Path;
use std::process::Output;

use crate::support::bank;
use crate::support::program::command;
use crate::support::signer::{Signer, claims};

fn portcullis(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with the bank's file, its key set and a signer.
fn folder() -> (tempfile::TempDir, Signer) {
    let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::new("key-1"));
    bank::config("http://127.0.0.1:1", "http://127.0.0.1:1", &signer).write_to(folder.path());
    (folder, signer)
}

#[test]
fn check_says_what_is_wrong_and_exits_2() {
    let (folder, _) = folder();
    let good = portcullis(folder.path(), &["check"]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    assert!(text(&good.stdout).contains("no errors"));
    std::fs::write(
        folder.path().join("bad.toml"),
        "[portal]\nvalidate_existing_keys = 1\n[limits]\nidle_timout = \"5s\"\n",
    )
    .unwrap();
    for arguments in [&["check", "bad.toml"][..], &["--config", "bad.toml", "check"]] {
        let bad = portcullis(folder.path(), arguments);
        assert_eq!(bad.status.code(), Some(2));
        insta::allow_duplicates! { insta::assert_snapshot!(text(&bad.stderr)) };
    }
    let missing = portcullis(folder.path(), &["--config", "nowhere.toml", "check"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("--config"));
}

/// Issuer, client and scope of a token, and the path; the reason of the refusal, and the hint.
const REFUSALS: [(&str, &str, &str, &str, &str, &str); 6] = [
    (
        "https://issuer.example/oauth2/token/",
        "good",
        "accounts:read",
        "/accounts/1.0.0/accounts/42",
        "unknown_issuer",
        "only by a slash",
    ),
    (
        bank::ISSUER,
        "elsewhere",
        "accounts:read",
        "/accounts/1.0.0/accounts/42",
        "consumer_key_unknown",
        "under key manager \"other-is\"",
    ),
    (
        bank::ISSUER,
        "unsubscribed",
        "accounts:read",
        "/accounts/1.0.0/accounts/42",
        "not_subscribed",
        "accounts:1.0.0",
    ),
    (bank::ISSUER, "good", "other", "/accounts/1.0.0/accounts/42", "insufficient_scope", "other"),
    (
        bank::ISSUER,
        "good",
        "accounts:read",
        "/accounts/1.0.0/nothing",
        "operation_not_found",
        "/accounts/{id}",
    ),
    (
        bank::ISSUER,
        "good",
        "accounts:read",
        "/accounts/2.0.0/accounts/42",
        "api_not_found",
        "/accounts/1.0.0",
    ),
];

#[test]
fn explain_tells_the_decision_with_its_places() {
    let (folder, signer) = folder();
    let good = signer.sign(&claims(bank::ISSUER, "good", "accounts:read"));
    let allowed = portcullis(
        folder.path(),
        &["explain", "--token", &good, "GET https://localhost/accounts/1.0.0/accounts/42"],
    );
    let told = text(&allowed.stdout);
    assert_eq!(allowed.status.code(), Some(0), "{told}{}", text(&allowed.stderr));
    assert!(told.ends_with("allowed\n") && told.contains("gateway.toml:"), "{told}");
    assert!(!told.contains(&good), "a token is never shown");

    for (issuer, client, scope, path, reason, hint) in REFUSALS {
        let token = signer.sign(&claims(issuer, client, scope));
        let refused =
            portcullis(folder.path(), &["explain", "--token", &token, &format!("GET {path}")]);
        let told = text(&refused.stdout);
        assert_eq!(refused.status.code(), Some(1), "{told}{}", text(&refused.stderr));
        assert!(
            told.contains(&format!("refused: {reason}")) && told.contains(hint),
            "{reason}: {told}"
        );
    }
    let missing = portcullis(folder.path(), &["explain", "GET /accounts/1.0.0/accounts/42"]);
    assert!(text(&missing.stdout).contains("missing_credentials"));
}

#[test]
fn schema_and_completions_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let schema = portcullis(folder.path(), &["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(
        schema["properties"]["key_managers"]["items"]["properties"]["consumer_key_claim"]
            .is_object()
    );
    assert!(
        text(&portcullis(folder.path(), &["completions", "bash"]).stdout).contains("portcullis")
    );
    let help = text(&portcullis(folder.path(), &["--help"]).stdout);
    assert!(help.contains("Examples:") && help.contains("PORTCULLIS_CONFIG"), "{help}");
}

/// This command and all below it.
fn commands_of(command: &clap::Command) -> usize {
    1 + command.get_subcommands().map(commands_of).sum::<usize>()
}

#[test]
fn a_manual_page_is_written_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("pages");
    let arguments = ["man", pages.to_str().unwrap()];
    let refused = portcullis(folder.path(), &arguments);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("cannot be written"), "{refused:?}");
    std::fs::create_dir(&pages).unwrap();
    assert_eq!(portcullis(folder.path(), &arguments).status.code(), Some(0));
    let page = std::fs::read_to_string(pages.join("portcullis-explain.1")).unwrap();
    assert!(page.contains(".SH OPTIONS") && page.contains("DPoP proof"), "{page}");
    let program = portcullis(folder.path(), &["man"]);
    assert!(text(&program.stdout).contains(".SH SUBCOMMANDS"), "{program:?}");
    assert_eq!(
        std::fs::read_dir(&pages).unwrap().count(),
        commands_of(&portcullis::cli::command()),
        "one for each, and one for the program"
    );
}

#[test]
fn a_port_in_use_is_told_and_exits_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::new("key-1"));
    bank::config("http://127.0.0.1:1", "http://127.0.0.1:1", &signer)
        .listener(&format!("address = \"{}\"", taken.local_addr().unwrap()))
        .write_to(folder.path());
    let run = portcullis(folder.path(), &["run"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("is taken by another process"), "{}", text(&run.stderr));
}
