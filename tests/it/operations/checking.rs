//! `portcullis check`: what it warns of, and what `--fetch` tries.

use std::fs;

use crate::operations::control::run;
use crate::support::config::{Config, api};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::Signer;

/// A gateway's file with one key manager, whose server is this one.
fn config(server: &str, more: &str) -> Config {
    let asked = format!(
        "request_timeout = \"1s\"\nintrospection_endpoint = \"{server}/introspect\"\n{more}"
    );
    Config::new()
        .signed_by("km", "https://i", &Signer::new("k"), &asked)
        .api(api("t:1.0.0").to("http://127.0.0.1:1"))
}

#[tokio::test]
async fn introspection_is_tried_and_the_exit_code_says_what_came_of_it() {
    let (server, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    let credentials =
        "credentials = { username = \"gw\", password = \"secret-of-gw\" }\naudiences = [\"us\"]";
    config(&server.url(), credentials).write_to(folder.path());
    let json = [("Content-Type", "application/json")];
    for (script, code, words) in [
        (Script::answer(200, &json, r#"{"active":false}"#), 0, "/introspect answers"),
        (
            Script::answer(
                401,
                &json,
                r#"{"error":"invalid_client","error_description":"no such client"}"#,
            ),
            1,
            "invalid_client",
        ),
        (Script::answer(200, &json, "nonsense"), 1, "introspection: "),
        (Script::answer(500, &[], "no"), 1, "500"),
    ] {
        server.always(script);
        let (exit, said, told) = run(folder.path(), &["check", "--fetch"]).await;
        assert_eq!(exit, Some(code), "{said}{told}");
        assert!(said.contains(words), "{words}: {said}");
        assert!(!said.contains("secret-of-gw") && !told.contains("secret-of-gw"));
    }
    let asked = server.received();
    assert_eq!(asked.len(), 4, "once each, and nothing else");

    // warnings change no exit code
    let (exit, _, told) = run(folder.path(), &["check"]).await;
    assert_eq!(exit, Some(0));
    assert!(told.contains("no application is subscribed to API t 1.0.0"), "{told}");
    config(&server.url(), "").write_to(folder.path());
    let (exit, _, told) = run(folder.path(), &["check"]).await;
    assert_eq!(exit, Some(0));
    for words in ["`introspection_endpoint` has no effect", "no audience is checked"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    fs::write(folder.path().join("gateway.toml"), "[gateway]\nnot = 1\n").unwrap();
    assert_eq!(run(folder.path(), &["check", "--fetch"]).await.0, Some(2));
}
