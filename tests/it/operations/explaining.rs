//! `portcullis explain` beside a gateway: what it kept, whom it would ask, and what a client would show.

use std::path::Path;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::bank::{self, Bank};
use crate::support::config::{Config, api};
use crate::support::origin::Origin;
use crate::support::program::portcullis;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

/// The exit code and what was said.
async fn explain(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = portcullis(folder, &[&["explain", "--json"], arguments].concat()).await;
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), said)
}

fn step<'v>(said: &'v Value, name: &str) -> &'v Value {
    said["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["step"] == name)
        .unwrap_or_else(|| panic!("no {name}: {said}"))
}

#[tokio::test]
async fn what_the_gateway_was_told_is_known_to_explain() {
    let bank = Bank::open().await;
    let token = bank.token_with(&json!({ "jti": "seven" }));
    let line = "GET /accounts/1.0.0/accounts/42";
    let (code, said) = explain(bank.gateway.folder(), &["--token", &token, line]).await;
    assert_eq!((code, &step(&said, "revocation")["passed"]), (Some(0), &json!(true)), "{said}");
    let journal = bank.gateway.folder().join("state/revocations");
    let call = json!({ "jti": "seven" }).to_string();
    let answer = bank
        .gateway
        .send(
            Request::post(bank.gateway.management_url("/revocations"))
                .body(Bytes::from(call))
                .unwrap(),
        )
        .await;
    assert_eq!(answer.status(), 200);
    let before = std::fs::read(&journal).unwrap();
    let (code, said) = explain(bank.gateway.folder(), &["--token", &token, line]).await;
    assert_eq!((code, &said["reason"]), (Some(1), &json!("token_revoked")));
    assert!(
        step(&said, "revocation")["found"].as_str().unwrap().contains("this token's id"),
        "{said}"
    );
    assert_eq!(std::fs::read(&journal).unwrap(), before, "the gateway's file is left alone");
}

#[tokio::test]
async fn the_servers_of_opaque_tokens_are_asked() {
    let server = Origin::start();
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let lines = "type = \"WSO2-IS-7\"\nrequest_timeout = \"1s\"\nintrospection_cache = \"0s\"";
    Config::new()
        .asking("opaque", &url, lines)
        .api(api("any:1").to(&url).without_subscription())
        .write_to(folder.path());
    let exp = jsonwebtoken::get_current_timestamp() + 600;
    for (script, code, reason, words) in [
        (
            Script::answer(
                200,
                &[],
                json!({ "active": true, "client_id": "c", "exp": exp }).to_string(),
            ),
            0,
            "forwarded",
            "active, according to http",
        ),
        (
            Script::answer(200, &[], r#"{"active":false}"#),
            1,
            "token_inactive",
            "knows the token as active",
        ),
        (Script::answer(500, &[], "no"), 1, "introspection_unavailable", "cannot be asked"),
    ] {
        server.always(script);
        let (exit, said) =
            explain(folder.path(), &["--token", "6f1e3f64-opaque", "GET /any/1/x"]).await;
        assert_eq!((exit, &said["reason"]), (Some(code), &json!(reason)), "{said}");
        let found = step(&said, "introspection");
        assert!(found["found"].as_str().unwrap().contains(words), "{said}");
        assert!(
            !said.to_string().contains("opaque-6f1e")
                && !said.to_string().contains("gateway-secret")
                && !said.to_string().contains("6f1e3f64")
        );
    }
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn a_certificate_is_read_from_its_file() {
    let bank = Bank::open().await;
    let pair = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
    let der = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, pair.cert.der());
    let thumbprint = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, der);
    std::fs::write(bank.gateway.folder().join("client.crt"), pair.cert.pem()).unwrap();
    let token = bank.token_with(&json!({ "cnf": { "x5t#S256": thumbprint } }));
    let line = format!(
        "GET https://{}/accounts/1.0.0/accounts/42",
        bank::ISSUER.trim_start_matches("https://").split('/').next().unwrap()
    );
    let (code, said) = explain(bank.gateway.folder(), &["--token", &token, &line]).await;
    assert_eq!((code, &said["reason"]), (Some(1), &json!("token_bound")), "{said}");
    let (code, said) = explain(
        bank.gateway.folder(),
        &["--token", &token, "--client-certificate", "client.crt", &line],
    )
    .await;
    assert_eq!((code, &step(&said, "binding")["passed"]), (Some(0), &json!(true)), "{said}");
    let wrong = ["explain", "--client-certificate", "keys.json", &line];
    let output = portcullis(bank.gateway.folder(), &wrong).await;
    assert_eq!(output.status.code(), Some(2));
}

/// Keycloak 26.7 answers `{"active":false}` about a token whose `aud` does not name the client that asks.
#[tokio::test]
async fn a_good_token_that_its_server_calls_inactive_has_a_hint() {
    let server = Origin::serving(Script::answer(
        200,
        &[("Content-Type", "application/json")],
        r#"{"active":false}"#,
    ));
    let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::new("k"));
    let url = server.url();
    let lines = format!(
        "type = \"KeyCloak\"\ntoken_validation = \"both\"\nintrospection_endpoint = \"{url}\"\n\
         credentials = {{ username = \"portcullis\", password = \"secret\" }}"
    );
    Config::new()
        .signed_by("kc", "https://kc.example/realms/r", &signer, &lines)
        .api(api("any:1").to(&url).without_subscription())
        .write_to(folder.path());
    for (aud, names_us) in [(json!(["account"]), false), (json!(["account", "portcullis"]), true)] {
        let mut claims = claims("https://kc.example/realms/r", "app", "x");
        claims["aud"] = aud;
        let token = signer.sign(&claims);
        let (code, said) = explain(folder.path(), &["--token", &token, "GET /any/1/x"]).await;
        assert_eq!((code, &said["reason"]), (Some(1), &json!("token_inactive")), "{said}");
        let hints = said["hints"].to_string();
        assert!(hints.contains("the token's signature and times are good"), "{hints}");
        assert_eq!(hints.contains("Keycloak 26.7"), !names_us, "{hints}");
    }
}

#[tokio::test]
async fn the_budget_of_a_client_is_told_and_not_charged() {
    let bank = Bank::with("[limits]\nmax_forged_tokens = 2\n").await;
    let forged = format!("{}AAAA", bank.token().rsplit_once('.').unwrap().0.to_owned() + ".");
    let line = "GET /accounts/1.0.0/accounts/42";
    let ask = async || {
        let arguments = ["--token", &forged, "--client", "127.0.0.1", line];
        explain(bank.gateway.folder(), &arguments).await.1["hints"].to_string()
    };
    for _ in 0..4 {
        let hints = ask().await;
        assert!(
            hints.contains("127.0.0.1 may still send tokens with invalid signatures"),
            "{hints}"
        );
    }
    for number in 0..6 {
        let token = forged.replacen("AAAA", &format!("AAA{number}"), 1);
        bank.gateway.get("/accounts/1.0.0/accounts/42", Some(&token)).await;
    }
    let hints = ask().await;
    assert!(hints.contains("too many tokens with invalid signatures"), "{hints}");
}
