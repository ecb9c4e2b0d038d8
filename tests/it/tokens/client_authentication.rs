//! How the gateway authenticates to a server that it asks, and what is said when the server refuses it.

use serde_json::{Value, json};

use crate::support::config::{Config, api};
use crate::support::credentials::basic;
use crate::support::origin::Origin;
use crate::support::script::Script;

fn config(server: &str, kind: &str, credentials: &str) -> Config {
    let lines = format!(
        r#"type = "{kind}"
token_validation = "introspection"
introspection_endpoint = "{server}/introspect"
credentials = {{ {credentials} }}
introspection_cache = "0s""#
    );
    Config::new().key_manager("km", &lines).api(api("any:1").without_subscription().to(server))
}

fn active() -> Script {
    let body = json!({ "active": true, "client_id": "app-key", "azp": "app-key" }).to_string();
    Script::answer(200, &[("Content-Type", "application/json")], body)
}

#[tokio::test]
async fn secrets_with_any_characters_reach_servers_as_these_read_them() {
    const RAW: &str = "s+cr%t pä:ss&=";
    const ENCODED: &str = "s%2Bcr%25t%20p%C3%A4%3Ass%26%3D";
    let server = Origin::serving(active());
    let gateway = Config::least().start().await;
    for (kind, method, id, authorization) in [
        ("CustomKeyManager", "", "id:1", basic("id%3A1", ENCODED)),
        ("KeyCloak", "", "ü", basic("%C3%BC", ENCODED)),
        ("WSO2-IS", "", "admin@x", basic("admin@x", RAW)),
        ("WSO2-IS-7", "", "admin", basic("admin", RAW)),
        ("WSO2-IS-7", "basic", "admin", basic("admin", ENCODED)),
        ("Okta", "basic_raw", "a b", basic("a b", RAW)),
    ] {
        let method =
            if method.is_empty() { String::new() } else { format!(", method = \"{method}\"") };
        let credentials = format!("username = \"{id}\", password = \"{RAW}\"{method}");
        gateway.change(&config(&server.url(), kind, &credentials)).await.unwrap();
        assert_eq!(gateway.get("/any/1/x", Some("t")).await.status(), 200, "{kind} {method}");
        let asked = server.received();
        let asked = asked.iter().rfind(|request| request.method == "POST").unwrap();
        assert_eq!(asked.values("authorization"), [&*authorization], "{kind} {method}");
        assert_eq!(asked.body, b"token=t&token_type_hint=access_token");
    }
}

#[tokio::test]
async fn a_secret_goes_into_the_form_or_nowhere() {
    let server = Origin::serving(active());
    let gateway = Config::least().start().await;
    for (credentials, body) in [
        (
            "username = \"i:d\", password = \"a b+ä\", method = \"post\"",
            "&client_id=i%3Ad&client_secret=a%20b%2B%C3%A4",
        ),
        ("method = \"none\"", ""),
        ("method = \"none\", username = \"gateway\"", "&client_id=gateway"),
    ] {
        gateway.change(&config(&server.url(), "CustomKeyManager", credentials)).await.unwrap();
        assert_eq!(gateway.get("/any/1/x", Some("t")).await.status(), 200, "{credentials}");
        let asked = server.received();
        let asked = asked.iter().rfind(|request| request.method == "POST").unwrap();
        assert_eq!(asked.values("authorization"), [] as [&str; 0], "{credentials}");
        let wanted = format!("token=t&token_type_hint=access_token{body}");
        assert_eq!(String::from_utf8_lossy(&asked.body), wanted, "{credentials}");
    }
}

/// Answers of Keycloak, Django OAuth Toolkit, WSO2 Identity Server 7 and others to a client with a wrong secret, with the words that the log has.
fn refusals() -> [(u16, Value, &'static [&'static str]); 7] {
    [
        (
            401,
            json!({ "error": "invalid_client", "error_description": "Invalid client or Invalid client credentials" }),
            &[
                "refuses the gateway's own credentials",
                "401",
                "invalid_client",
                "Invalid client credentials",
            ],
        ),
        (
            400,
            json!({ "error": "invalid_client", "error_description": "bad\nsecret wrong-secret of opaque-token" }),
            &[
                "refuses the gateway's own credentials",
                "400",
                "invalid_client",
                "badsecret ... of ...",
            ],
        ),
        (401, json!("no object"), &["refuses the gateway's own credentials", "401"]),
        (
            400,
            json!({ "error": "invalid_request", "error_description": "no token" }),
            &["answered 400", "invalid_request", "no token"],
        ),
        (
            400,
            json!({ "error": "unauthorized_client", "error_description": "Unexpected error when authenticating client" }),
            &["refuses the gateway's own credentials", "400", "unauthorized_client"],
        ),
        // of Django OAuth Toolkit, with a page and no JSON
        (403, json!("<h1>403 Forbidden</h1>"), &["refuses the gateway's own client with 403"]),
        (
            403,
            json!({ "error": "access_denied" }),
            &["refuses the gateway's own client with 403", "access_denied"],
        ),
    ]
}

#[tokio::test]
async fn a_server_that_refuses_the_gateway_is_quoted() {
    let server = Origin::start();
    let credentials = "username = \"gateway\", password = \"wrong-secret\", method = \"post\"";
    let gateway = config(&server.url(), "CustomKeyManager", credentials).start().await;
    for (position, (status, body, words)) in refusals().iter().enumerate() {
        server.always(Script::answer(
            *status,
            &[("Content-Type", "application/json")],
            body.to_string(),
        ));
        assert_eq!(gateway.get("/any/1/x", Some("opaque-token")).await.status(), 503);
        let line = &gateway.log(position + 1).await[position];
        let message = line["message"].as_str().unwrap();
        for word in *words {
            assert!(message.contains(word), "{word}: {message}");
        }
        let own = message.contains("own credentials");
        assert_eq!(own, words[0].contains("own credentials"), "{message}");
        assert!(
            !message.contains("wrong-secret") && !message.contains("opaque-token"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn methods_that_cannot_be_meant_are_told() {
    let gateway = Config::least().start().await;
    let wrong = [
        ("WSO2-IS-7", "username = \"a:b\", password = \"p\""),
        ("Okta", "username = \"a:b\", password = \"p\", method = \"basic_raw\""),
        ("Okta", "username = \"a\", password = \"p\", method = \"none\""),
        ("Okta", "username = \"a\", method = \"post\""),
        ("Okta", "username = \"a\", password = \"p\", method = \"private_key_jwt\""),
        ("Okta", "username = \"a\", key = \"gw.key\", method = \"basic\""),
        ("Okta", "username = \"a\", password = \"p\", method = \"digest\""),
        ("Okta", "password = \"p\""),
    ];
    let files = wrong
        .map(|(kind, credentials)| config("http://127.0.0.1:1", kind, credentials).to_string());
    insta::assert_snapshot!(gateway.reports(files).await);
}
