//! The control socket: `portcullis reload`, `explain` and `check` ask the gateway that runs.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Output;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::operations::takeover::{Service, binary, eventually};
use crate::revocation::journal::Stage;
use crate::support::bank::Bank;
use crate::support::config::{Config, api};
use crate::support::program::portcullis;

/// Runs a command in a folder: the exit code, what was said, and what was complained of.
pub(super) async fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = portcullis(folder, arguments).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn a_reload_works_without_a_management_listener() {
    let bank = Bank::of(Config::without_management).await;
    let folder = bank.gateway.folder();
    let socket = folder.join("state/control.socket");
    let facts = fs::symlink_metadata(&socket).unwrap();
    assert!(facts.file_type().is_socket() && facts.mode() & 0o777 == 0o600, "{facts:?}");
    let path = folder.join("gateway.toml");
    let whole = fs::read_to_string(&path).unwrap();

    let (code, said, _) = run(folder, &["reload"]).await;
    assert_eq!((code, said.trim()), (Some(0), "reloaded: generation 2"));

    // what the command line's own reading finds wrong is never asked for
    fs::write(&path, whole.replace("context = \"/accounts\"", "contxt = \"/accounts\"")).unwrap();
    let (code, _, told) = run(folder, &["reload"]).await;
    assert!(code == Some(2) && told.contains("contxt"), "{code:?} {told}");

    // of four APIs one is left
    let one = bank.config.clone().without_apis().api(api("a:1").open().to("http://127.0.0.1:1"));
    fs::write(&path, one.to_string()).unwrap();
    let (code, _, told) = run(folder, &["check"]).await;
    assert_eq!(code, Some(0));
    assert!(told.contains("would refuse a reload") && told.contains("take away"), "{told}");
    let (code, _, told) = run(folder, &["reload"]).await;
    assert!(code == Some(1) && told.contains("--confirm removals"), "{code:?} {told}");
    let (code, _, told) = run(folder, &["reload", "--confirm", "removals"]).await;
    assert_eq!(code, Some(0), "{told}");
    let (code, _, _) = run(folder, &["reload", "--confirm", "everything"]).await;
    assert_eq!(code, Some(2));
    fs::write(&path, whole).unwrap();

    let kept = tempfile::tempdir().unwrap();
    fs::copy(&path, kept.path().join("gateway.toml")).unwrap();
    fs::copy(folder.join("keys.json"), kept.path().join("keys.json")).unwrap();
    let (code, _, told) = run(kept.path(), &["reload"]).await;
    assert!(code == Some(1) && told.contains("no gateway runs on"), "{code:?} {told}");
    drop(bank);
    assert!(!socket.exists(), "who stops takes its socket away");
}

#[tokio::test]
async fn a_socket_that_was_left_is_replaced_and_another_process_socket_is_not_taken_away() {
    let stage = Stage::new();
    let folder = stage.folder.path();
    let socket = folder.join("state/control.socket");
    fs::create_dir_all(folder.join("state")).unwrap();
    drop(UnixListener::bind(&socket).unwrap());
    let service = Service::start(&stage, binary(), &[]);
    let (code, _, told) = run(folder, &["reload"]).await;
    assert_eq!(code, Some(0), "{told}");
    let first = service.owner();
    for _ in 0..2 {
        let owner = service.hand_over();
        let (code, _, told) = run(folder, &["reload"]).await;
        assert_eq!(code, Some(0), "{told}\n{}", service.log());
        let (_, said, _) = run(folder, &["explain", "--json", "GET /nowhere"]).await;
        assert!(said.contains(&format!("process {owner},")), "{said}");
    }
    eventually("the end of the first process", || {
        (!Path::new(&format!("/proc/{first}/cwd")).exists()
            || fs::read_link(format!("/proc/{first}/cwd")).is_err())
        .then_some(())
    });
    assert_eq!(run(folder, &["reload"]).await.0, Some(0), "the old process left it alone");
}

#[tokio::test]
async fn explain_asks_the_gateway_that_runs_and_the_files_where_none_does() {
    let bank = Bank::open().await;
    let folder = bank.gateway.folder();
    let (token, line) = (bank.token(), "GET /accounts/1.0.0/accounts/42");
    // the files have moved on, and the gateway has not read them
    let path = folder.join("gateway.toml");
    let whole = fs::read_to_string(&path).unwrap();
    let moved = whole.replace("context = \"/accounts\"", "context = \"/moved\"");
    fs::write(&path, &moved).unwrap();
    let ask = async |more: &[&str]| {
        let arguments = [&["explain", "--json", "--token", &token][..], more].concat();
        let (code, said, told) = run(folder, &arguments).await;
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{told}"));
        (code, said)
    };
    // a watched file is read again by itself, so the gateway is asked about what holds before and after
    let (code, said) = ask(&["--files", line]).await;
    assert_eq!((code, &said["reason"]), (Some(1), &json!("api_not_found")), "{said}");
    assert_eq!(said["judged_by"], "the files (because of --files)");
    fs::write(&path, whole).unwrap();
    let (code, said) = ask(&[line]).await;
    assert!(said["judged_by"].as_str().unwrap().starts_with("the running gateway"), "{said}");
    assert_eq!(code, Some(0), "{said}");
    drop(bank.production);
    let address = bank.gateway.address();
    let (_, said) = ask(&[&format!("GET https://{address}/accounts/1.0.0/accounts/42")]).await;
    assert!(said["hints"].to_string().contains("the address says https"), "{said}");
    let (_, said) = ask(&["GET http://127.0.0.1:1/accounts/1.0.0/accounts/42"]).await;
    assert!(said["hints"].to_string().contains("no listener has the port 1"), "{said}");
    assert!(!said.to_string().contains(&token));
    let elsewhere = tempfile::tempdir().unwrap();
    fs::copy(&path, elsewhere.path().join("gateway.toml")).unwrap();
    fs::copy(folder.join("keys.json"), elsewhere.path().join("keys.json")).unwrap();
    let (code, said, _) =
        run(elsewhere.path(), &["explain", "--json", "--token", &token, line]).await;
    assert_eq!(code, Some(0));
    assert!(said.contains("the files (no gateway runs on"), "{said}");
}

#[tokio::test]
async fn whoever_may_use_the_management_listener_may_ask() {
    let bank = Bank::open().await;
    let ask = async |body: String| {
        let request = Request::post(bank.gateway.management_url("/explain"));
        let answer = bank.gateway.send(request.body(Bytes::from(body)).unwrap()).await;
        let said: Value = serde_json::from_slice(answer.body()).unwrap();
        (answer.status().as_u16(), said)
    };
    let token = bank.token();
    let line = "GET https://any.example/accounts/1.0.0/accounts/42";
    let (status, said) = ask(json!({ "request": line, "token": token }).to_string()).await;
    assert_eq!((status, &said["allowed"]), (200, &json!(true)), "{said}");
    let (status, said) = ask(json!({ "request": line }).to_string()).await;
    assert_eq!((status, &said["reason"]), (200, &json!("missing_credentials")), "{said}");
    for (body, words) in [
        (json!({ "token": token }).to_string(), "neither a request"),
        (json!({ "request": "GET" }).to_string(), "not a request"),
        (json!({ "request": line, "token": [token] }).to_string(), "the body is not a question"),
        (json!({ "request": line, "tokn": token }).to_string(), "the body is not a question"),
        (String::new(), "the body is not a question"),
    ] {
        let (status, said) = ask(body).await;
        assert!(status == 400 && said["detail"].as_str().unwrap().contains(words), "{said}");
        assert!(!said.to_string().contains(&token), "{said}");
    }
    let request = Request::post(bank.gateway.management_url("/explain"))
        .header("origin", "https://page.example")
        .body(Bytes::from(json!({ "request": line }).to_string()));
    assert_eq!(bank.gateway.send(request.unwrap()).await.status(), 403);
    assert_eq!(bank.gateway.management("GET", "/explain").await.status(), 405);
}
