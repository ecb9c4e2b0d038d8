//! A template whose organizations are asked about tokens with credentials of their own.

use serde_json::json;

use crate::support::config::{Config, api, application};
use crate::support::credentials::basic;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;

fn config(server: &str, more: &str) -> Config {
    let template = format!(
        r#"type = "WSO2-IS-7"
issuer = "{server}/t/{{tenant}}/o/{{org}}/oauth2/token"
token_validation = "introspection"
introspection_endpoint = "{server}/t/{{tenant}}/o/{{org}}/oauth2/introspect"
introspection_cache = "0s"
organizations = ["carbon.super/org-a", "carbon.super/org-b", "carbon.super/org-c"]
{more}"#
    );
    Config::new()
        .key_manager("is", &template)
        .api(api("any:1").to(server))
        .application(application("app").key("is", "client"))
}

const FOR: &str = r#"credentials_for = [
  { organization = "carbon.super/org-a", file = "a.toml" },
  { organization = "carbon.super/org-b", file = "credentials/b.toml" },
]"#;

const SHARED: &str = r#"credentials = { username = "shared", password = "s" }"#;

async fn start(server: &Origin, more: &str) -> Gateway {
    let of_b = "[credentials]\nusername = \"of-b\"\npassword = { file = \"b-secret\" }\n\
                method = \"basic\"\n";
    config(&server.url(), more)
        .beside("a.toml", "username = \"of-a\"\npassword = \"a+a\"\n")
        .beside("b-secret", "of b\n")
        .beside("credentials/b.toml", of_b)
        .start()
        .await
}

#[tokio::test]
async fn each_organization_is_asked_with_its_own() {
    let body = json!({ "active": false }).to_string();
    let server =
        Origin::serving(Script::answer(200, &[("Content-Type", "application/json")], body));
    let gateway = start(&server, &format!("{SHARED}\n{FOR}")).await;
    assert_eq!(gateway.get("/any/1/x", Some("opaque")).await.status(), 401);
    let mut asked: Vec<(String, String)> = server
        .received()
        .iter()
        .map(|request| (request.target.clone(), request.values("authorization")[0].to_owned()))
        .collect();
    asked.sort();
    let wanted = [("org-a", "of-a", "a+a"), ("org-b", "of-b", "of%20b"), ("org-c", "shared", "s")];
    let wanted: Vec<(String, String)> = wanted
        .iter()
        .map(|(organization, user, password)| {
            let target = format!("/t/carbon.super/o/{organization}/oauth2/introspect");
            (target, basic(user, password))
        })
        .collect();
    assert_eq!(asked, wanted);
    // a changed file is a change of the configuration
    std::fs::write(gateway.folder().join("a.toml"), "username = \"of-a\"\npassword = \"new\"\n")
        .unwrap();
    gateway.change(&config(&server.url(), &format!("{SHARED}\n{FOR}"))).await.unwrap();
    assert_eq!(gateway.get("/any/1/x", Some("opaque")).await.status(), 401);
    let renewed = basic("of-a", "new");
    assert!(server.received().iter().any(|request| request.values("authorization") == [&*renewed]));
}

#[tokio::test]
async fn an_organization_without_credentials_is_told_by_name() {
    let server = Origin::start();
    let gateway = start(&server, &format!("{SHARED}\n{FOR}")).await;
    std::fs::write(gateway.folder().join("bad.toml"), "username = \"x\"\npasswort = \"y\"\n")
        .unwrap();
    std::fs::write(gateway.folder().join("broken.toml"), "username =\n").unwrap();
    let both = format!("{SHARED}\n{FOR}");
    for (more, words) in [
        (FOR.to_owned(), "the organization \"carbon.super/org-c\" has no credentials"),
        (both.replace("org-a\", file", "org-z\", file"), "\"carbon.super/org-z\" is not one of"),
        (both.replace("org-b\", file", "org-a\", file"), "has credentials already"),
        (both.replace("a.toml", "absent.toml"), "absent.toml cannot be read"),
        (both.replace("a.toml", "bad.toml"), "did you mean `password`"),
        (both.replace("a.toml", "broken.toml"), "not TOML"),
        (both.replace("file = \"a.toml\"", "path = \"a.toml\""), "credentials_for"),
    ] {
        let report = gateway.change(&config(&server.url(), &more)).await.unwrap_err();
        assert!(report.contains(words), "{more}: {report}");
        assert!(!report.contains("of b"), "no secret: {report}");
    }
}
