//! One server that issues under an issuer of its own for each organization: a key manager that is a template.

use serde_json::json;

use crate::support::config::{Config, api, application};
use crate::support::gateway::json;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

fn config(server: &str, backend: &str) -> Config {
    let template = format!(
        r#"type = "WSO2-IS-7"
issuer = "{server}/t/{{tenant}}/o/{{org}}/oauth2/token"
certificates = {{ jwks = "{server}/t/{{tenant}}/o/{{org}}/oauth2/jwks" }}
organizations = ["carbon.super/org-a", "carbon.super/org-b"]"#
    );
    let of_a = application("of-a").key("is/carbon.super/org-a", "own").subscribed("any:1");
    let of_b = application("b-people").lines("organization = \"org-b\"").key("is", "of-b");
    Config::new()
        .key_manager("is", &template)
        .api(api("any:1").to(backend).lines("key_managers = [\"is\"]"))
        .api(api("a-only:1").to(backend).lines("key_managers = [\"is/carbon.super/org-a\"]"))
        .application(application("everywhere").key("is", "shared"))
        .application(of_a)
        .application(of_b.subscribed("any:1"))
}

#[tokio::test]
async fn each_organization_is_believed_for_itself() {
    let (signer, backend) = (Signer::new("key-1"), Origin::start());
    let server = Origin::serving(Script::answer(
        200,
        &[("Content-Type", "application/json")],
        signer.jwks(),
    ));
    let gateway = config(&server.url(), &backend.url()).start().await;
    gateway.ready().await;
    let asked: Vec<String> =
        server.received().iter().map(|request| request.target.clone()).collect();
    for organization in ["org-a", "org-b"] {
        assert!(
            asked.contains(&format!("/t/carbon.super/o/{organization}/oauth2/jwks")),
            "{asked:?}"
        );
    }
    let token = |organization: &str, client: &str, named: Option<&str>| {
        let mut claims = claims(
            &format!("{}/t/carbon.super/o/{organization}/oauth2/token", server.url()),
            client,
            "",
        );
        if let Some(named) = named {
            claims["org_id"] = json!(named);
        }
        signer.sign(&claims)
    };
    for (what, path, token, status) in [
        ("of a", "/any/1/x", token("org-a", "shared", None), 200),
        ("of b", "/any/1/x", token("org-b", "shared", Some("org-b")), 200),
        ("names another", "/any/1/x", token("org-b", "shared", Some("org-a")), 401),
        ("not listed", "/any/1/x", token("org-c", "shared", None), 401),
        ("the template itself", "/any/1/x", token("{org}", "shared", None), 401),
        ("provisioned for a", "/any/1/x", token("org-a", "own", None), 200),
        ("the same client of b", "/any/1/x", token("org-b", "own", None), 403),
        ("an application of b", "/any/1/x", token("org-b", "of-b", None), 200),
        ("an application of b, from a", "/any/1/x", token("org-a", "of-b", None), 401),
        ("an API for a", "/a-only/1/x", token("org-a", "shared", None), 200),
        ("an API for a, from b", "/a-only/1/x", token("org-b", "shared", None), 401),
    ] {
        assert_eq!(gateway.status(path, &token).await, status, "{what}");
    }
}

#[tokio::test]
async fn a_template_says_what_its_braces_stand_for() {
    let gateway = Config::least().start().await;
    let good = config("https://is.example", "http://127.0.0.1:1").to_string();
    let wrong = [
        ("organizations = [\"carbon.super/org-a\", \"carbon.super/org-b\"]\n", ""),
        ("\"carbon.super/org-b\"", "\"org-b\""),
        ("\"carbon.super/org-b\"", "\"carbon.super/../x\""),
        ("\"carbon.super/org-b\"", "\"carbon.super/org-a\""),
        ("{tenant}/o/{org}/oauth2/token", "a/o/b/oauth2/token"),
    ];
    let files = wrong.map(|(from, to)| good.replacen(from, to, 1));
    insta::assert_snapshot!(gateway.reports(files).await);
}

/// One key manager without braces, whose tokens say their organization themselves; `organization` is the application's.
fn plain(backend: &Origin, organization: &str, config: Config) -> Config {
    config
        .api(api("any:1").to(&backend.url()))
        .application(application("app").lines(organization).key("is", "client"))
}

#[tokio::test]
async fn an_application_of_an_organization_is_used_with_its_tokens_only() {
    let (signer, backend) = (Signer::new("key-1"), Origin::start());
    let server = Origin::serving(Script::answer(
        200,
        &[("Content-Type", "application/json")],
        signer.jwks(),
    ));
    let key_manager = format!(
        "issuer = \"https://is.example\"\ncertificates = {{ jwks = \"{}/jwks\" }}",
        server.url()
    );
    let config = |organization: &str| {
        plain(&backend, organization, Config::new().key_manager("is", &key_manager))
    };
    let gateway = config("organization = \"org-a\"").start().await;
    gateway.ready().await;
    let token = |organization: serde_json::Value| {
        let mut claims = claims("https://is.example", "client", "");
        claims["org_id"] = organization;
        signer.sign(&claims)
    };
    let none = signer.sign(&claims("https://is.example", "client", ""));
    for (token, wanted) in [
        (token(json!("org-a")), (200, "")),
        (token(json!("org-b")), (401, "900912")),
        (token(json!("ORG-A")), (401, "900912")),
        (token(json!(["org-a"])), (401, "900913")),
        (none.clone(), (401, "900913")),
    ] {
        let answer = gateway.get("/any/1/x", Some(&token)).await;
        let code = if answer.status() == 200 {
            String::new()
        } else {
            json(&answer)["code"].as_str().unwrap().to_owned()
        };
        assert_eq!((answer.status().as_u16(), code.as_str()), wanted);
    }
    gateway.change(&config("")).await.unwrap();
    assert_eq!(gateway.status("/any/1/x", &none).await, 200, "an application of no organization");
    let report = gateway.change(&config("organization = \"\"")).await.unwrap_err();
    assert!(report.contains("organization"), "{report}");
}

#[tokio::test]
async fn the_organization_of_an_opaque_token_is_what_its_server_says() {
    let backend = Origin::start();
    let answer = |organization: &str| {
        let answer = json!({ "active": true, "client_id": "client", "org_id": organization });
        Script::answer(200, &[("Content-Type", "application/json")], answer.to_string())
    };
    let server = Origin::serving(answer("org-a"));
    let config = Config::new().asking("is", &server.url(), "type = \"WSO2-IS-7\"");
    let gateway = plain(&backend, "organization = \"org-a\"", config).start().await;
    assert_eq!(gateway.status("/any/1/x", "token-a").await, 200);
    server.always(answer("org-b"));
    assert_eq!(gateway.status("/any/1/x", "token-b").await, 401);
    assert!(gateway.log(2).await.iter().any(|line| line["reason"] == "organization_mismatch"));
}
