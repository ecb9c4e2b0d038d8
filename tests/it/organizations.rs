//! One server that issues under an issuer of its own for each organisation: a key manager that is a template.

use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

fn file(server: &str, backend: &str) -> String {
    format!(
        r#"
[[key_managers]]
name = "is"
type = "WSO2-IS-7"
issuer = "{server}/t/{{tenant}}/o/{{org}}/oauth2/token"
certificates = {{ jwks = "{server}/t/{{tenant}}/o/{{org}}/oauth2/jwks" }}
organizations = ["carbon.super/org-a", "carbon.super/org-b"]
[[apis]]
name = "any"
version = "1"
context = "/any"
key_managers = ["is"]
production = {{ urls = ["{backend}"] }}
operations = [{{ method = "GET", path = "/*" }}]
[[apis]]
name = "a-only"
version = "1"
context = "/a-only"
key_managers = ["is/carbon.super/org-a"]
production = {{ urls = ["{backend}"] }}
operations = [{{ method = "GET", path = "/*" }}]
[[applications]]
name = "everywhere"
keys = [{{ type = "production", key_manager = "is", consumer_key = "shared" }}]
subscriptions = [{{ api = "any:1" }}, {{ api = "a-only:1" }}]
[[applications]]
name = "of-a"
keys = [{{ type = "production", key_manager = "is/carbon.super/org-a", consumer_key = "own" }}]
subscriptions = [{{ api = "any:1" }}]
"#
    )
}

#[tokio::test]
async fn each_organisation_is_believed_for_itself() {
    let (signer, backend) = (Signer::new("key-1"), Origin::start());
    let server = Origin::serving(Script::answer(200, &[("Content-Type", "application/json")], signer.jwks()));
    let gateway = Gateway::start(&file(&server.url(), &backend.url())).await;
    gateway.ready().await;
    let asked: Vec<String> = server.received().iter().map(|request| request.target.clone()).collect();
    for organization in ["org-a", "org-b"] {
        assert!(asked.contains(&format!("/t/carbon.super/o/{organization}/oauth2/jwks")), "{asked:?}");
    }
    let token = |organization: &str, client: &str, named: Option<&str>| {
        let mut claims = claims(&format!("{}/t/carbon.super/o/{organization}/oauth2/token", server.url()), client, "");
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
        ("an API for a", "/a-only/1/x", token("org-a", "shared", None), 200),
        ("an API for a, from b", "/a-only/1/x", token("org-b", "shared", None), 401),
    ] {
        assert_eq!(gateway.get(path, Some(&token)).await.status(), status, "{what}");
    }
}

#[tokio::test]
async fn a_template_says_what_its_braces_stand_for() {
    let gateway = Gateway::start("").await;
    let good = file("https://is.example", "http://127.0.0.1:1");
    for (from, to) in [
        ("organizations = [\"carbon.super/org-a\", \"carbon.super/org-b\"]\n", ""),
        ("\"carbon.super/org-b\"", "\"org-b\""),
        ("\"carbon.super/org-b\"", "\"carbon.super/../x\""),
        ("\"carbon.super/org-b\"", "\"carbon.super/org-a\""),
        ("{tenant}/o/{org}/oauth2/token", "a/o/b/oauth2/token"),
    ] {
        let report = gateway.reload(&good.replacen(from, to, 1)).await.unwrap_err();
        assert!(report.contains("organi") || report.contains("braces"), "{to}: {report}");
    }
}
