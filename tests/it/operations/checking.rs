//! `portcullis check`: what it warns of, and what `--fetch` tries.

use std::fs;

use crate::operations::control::run;
use crate::support::gateway::FRONT;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::Signer;

fn file(server: &str, more: &str) -> String {
    format!(
        "{FRONT}[[key_managers]]\nname = \"km\"\nissuer = \"https://i\"\ncertificates = {{ jwks_file = \"keys.json\" }}\n\
         request_timeout = \"1s\"\nintrospection_endpoint = \"{server}/introspect\"\n{more}\n\
         [[apis]]\nname = \"t\"\nversion = \"1.0.0\"\ncontext = \"/t\"\nproduction = {{ urls = [\"http://127.0.0.1:1\"] }}\n\
         operations = [{{ method = \"*\", path = \"/*\" }}]\n"
    )
}

#[tokio::test]
async fn introspection_is_tried_and_the_exit_code_says_what_came_of_it() {
    let (server, folder) = (Origin::start(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("keys.json"), Signer::new("k").jwks()).unwrap();
    let credentials =
        "credentials = { username = \"gw\", password = \"secret-of-gw\" }\naudiences = [\"us\"]";
    fs::write(folder.path().join("gateway.toml"), file(&server.url(), credentials)).unwrap();
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
    fs::write(folder.path().join("gateway.toml"), file(&server.url(), "")).unwrap();
    let (exit, _, told) = run(folder.path(), &["check"]).await;
    assert_eq!(exit, Some(0));
    for words in ["`introspection_endpoint` has no effect", "no audience is checked"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    fs::write(folder.path().join("gateway.toml"), "[gateway]\nnot = 1\n").unwrap();
    assert_eq!(run(folder.path(), &["check", "--fetch"]).await.0, Some(2));
}
