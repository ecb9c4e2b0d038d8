//! `portcullis import --introspect --app --api`: what is printed is a whole file, which `check` finds no fault with and which runs.

use std::path::Path;
use std::process::Output;

use crate::support::config::Config;
use crate::support::gateway::Gateway;
use crate::support::idp::Idp;
use crate::support::origin::Origin;
use crate::support::program::portcullis;

const SECRET: &str = "gateway-secret";

async fn program(folder: &Path, arguments: Vec<String>) -> Output {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    portcullis(folder, &arguments).await
}

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&argument| argument.to_owned()).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Prose on one line.
fn unbroken(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start_matches('#').trim());
    lines.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Imports with a sample token, checks what was printed, runs it, and calls it with the sample.
async fn import_and_run(idp: &Idp, preset: &str, more: &[&str]) -> String {
    let (backend, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    let token = idp.token(preset).await;
    std::fs::write(folder.path().join("sample"), &token).unwrap();
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    let mut arguments = words(&["import", idp.well_known(preset), "--token", "sample"]);
    arguments.extend(words(more));
    arguments.extend(words(&[
        "--api",
        "orders:2.0.0",
        "--app",
        "shop",
        "--backend",
        &backend.url(),
    ]));
    let told = program(folder.path(), arguments).await;
    let file = text(&told.stdout);
    assert_eq!(told.status.code(), Some(0), "{preset}: {}", text(&told.stderr));
    assert!(
        !file.contains(SECRET) && !file.contains(&token),
        "{preset}: nothing secret is printed"
    );

    std::fs::write(folder.path().join("gateway.toml"), &file).unwrap();
    let checked = program(folder.path(), words(&["check"])).await;
    assert_eq!(checked.status.code(), Some(0), "{preset}: {}\n{file}", text(&checked.stderr));

    // with the listener of tests, which has a port of its own
    let (before, after) = file.split_once("[[listeners]]").expect("a listener");
    let after = after.split_once("[[apis]]").expect("an API").1;
    Config::new().tables(&format!("{before}[[apis]]{after}")).write_to(folder.path());
    let path = folder.path().to_owned();
    let gateway = Gateway::start_in(&path, Some(folder)).await;
    gateway.ready().await;
    let answer = gateway.get("/orders/2.0.0/1", Some(&token)).await;
    assert_eq!(answer.status(), 200, "{preset}: {:?}\n{file}", answer.body());
    assert_eq!(gateway.get("/orders/2.0.0/1", Some("unknown-token")).await.status(), 401);
    file
}

#[tokio::test]
async fn a_printed_file_runs_as_it_is() {
    let idp = Idp::shared().await;
    for preset in ["keycloak", "wso2is7"] {
        let file = import_and_run(idp, preset, &[]).await;
        assert!(file.contains("\nintrospection_endpoint = \"http"), "{file}");
        assert!(file.contains("\n# credentials = { username ="), "what is missing is said: {file}");
    }
}

#[tokio::test]
async fn opaque_tokens_are_no_fault() {
    let idp = Idp::shared().await;
    let asking = ["--introspect", "--client-id", "gateway", "--client-secret-file", "secret"];
    let file = import_and_run(idp, "opaque", &asking).await;
    let said = unbroken(&file);
    assert!(
        said.contains("says that the sample is active")
            && said.contains("good: client_id of the answer holds the client")
            && !said.contains("WRONG"),
        "{file}"
    );
    let credentials = "credentials = { username = \"gateway\", password = { file = \"secret\" }";
    assert!(file.contains(credentials), "{file}");
}

#[tokio::test]
async fn what_stands_in_the_way_of_introspection_is_said() {
    let idp = Idp::shared().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("right"), SECRET).unwrap();
    std::fs::write(folder.path().join("wrong"), "wrong-secret").unwrap();
    std::fs::write(folder.path().join("nobodys"), "6f1e3f64-0000-4000-8000-000000000000").unwrap();
    let import = |preset: &'static str, more: &'static [&'static str]| {
        let mut arguments = words(&["import", idp.well_known(preset)]);
        arguments.extend(words(more));
        program(folder.path(), arguments)
    };
    for (more, expected) in [
        (
            &["--introspect", "--client-id", "gateway", "--client-secret-file", "right"][..],
            "good: introspection works",
        ),
        (
            &["--introspect", "--client-id", "gateway", "--client-secret-file", "wrong"],
            "WRONG: introspection at",
        ),
        (
            &[
                "--introspect",
                "--client-id",
                "gateway",
                "--client-secret-file",
                "right",
                "--token",
                "nobodys",
            ],
            "WRONG: the server says that the sample is not active",
        ),
        (&["--token", "nobodys"], "CHECK: it is an opaque token"),
    ] {
        let told = import("opaque", more).await;
        let said = unbroken(&text(&told.stdout));
        assert!(said.contains(expected), "{more:?}: {said} {}", text(&told.stderr));
        assert!(!said.contains("-secret\""), "{said}");
    }
    // entra has no introspection, and nothing says whose application it is
    for (more, code, expected) in [
        (
            &["--introspect", "--client-id", "gateway", "--client-secret-file", "right"][..],
            1,
            "--introspection-endpoint",
        ),
        (&["--app", "shop"], 2, "--consumer-key"),
        (&["--api", "a/b"], 2, "--api may contain only letters"),
        (&["--api", "a", "--backend", "ftp://x"], 2, "--backend"),
    ] {
        let told = import("entra-v2", more).await;
        assert_eq!(told.status.code(), Some(code), "{more:?}");
        assert!(
            told.stdout.is_empty() && text(&told.stderr).contains(expected),
            "{more:?}: {}",
            text(&told.stderr)
        );
    }
    let told = import("entra-v2", &["--app", "shop", "--consumer-key", "one", "--api", "a"]).await;
    assert!(text(&told.stdout).contains("consumer_key = \"one\""), "{}", text(&told.stderr));
}
