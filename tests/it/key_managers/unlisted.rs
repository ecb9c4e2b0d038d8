//! Organizations that nobody listed: a key manager that takes what a pattern says, within its bounds.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::support::config::{Config, api, application};
use crate::support::gateway::{Gateway, json};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::signer::{Signer, claims};

const TEMPLATE: &str = "/t/{tenant}/o/{org}/oauth2/token";

fn config(server: &str, backend: &str, more: &str) -> Config {
    let template = format!(
        r#"type = "WSO2-IS-7"
issuer = "{server}{TEMPLATE}"
certificates = {{ jwks = "{server}/t/{{tenant}}/o/{{org}}/oauth2/jwks" }}
organization_pattern = "carbon[.]super/org-[a-z0-9-]+"
{more}"#
    );
    let other = "issuer = \"https://other.example\"\ncertificates = { jwks = \"https://other.example/jwks\" }";
    let of_b = application("b-people").lines("organization = \"org-b\"").key("is", "of-b");
    Config::new()
        .gateway("trusted_proxies = [\"127.0.0.1\"]")
        .key_manager("is", &template)
        .key_manager("other", other)
        .api(api("any:1").to(backend).lines("key_managers = [\"is\"]"))
        .api(api("none:1").to(backend).lines("key_managers = [\"other\"]"))
        .application(application("everywhere").key("is", "shared"))
        .application(of_b.subscribed("any:1"))
}

/// An authorization server with one key for all of its organizations, and a gateway that believes it.
struct Stage {
    signer: Signer,
    server: Origin,
    backend: Origin,
    gateway: Gateway,
}

impl Stage {
    async fn of(more: &str) -> Stage {
        let (signer, backend) = (Signer::new("key-1"), Origin::start());
        let server = Origin::serving(Script::answer(
            200,
            &[("Content-Type", "application/json")],
            signer.jwks(),
        ));
        let gateway = config(&server.url(), &backend.url(), more).start().await;
        Stage { signer, server, backend, gateway }
    }

    fn claims(&self, organization: &str, client: &str) -> Value {
        claims(
            &format!(
                "{}{}",
                self.server.url(),
                TEMPLATE.replace("{tenant}", "carbon.super").replace("{org}", organization)
            ),
            client,
            "",
        )
    }

    fn token(&self, organization: &str, client: &str) -> String {
        self.signer.sign(&self.claims(organization, client))
    }

    async fn status(&self, token: &str) -> u16 {
        self.gateway.status("/any/1/x", token).await
    }

    async fn from(&self, address: &str, token: &str) -> Response<Bytes> {
        let request = Request::get(self.gateway.url("/any/1/x"))
            .header("authorization", format!("Bearer {token}"));
        self.gateway
            .send(request.header("x-forwarded-for", address).body(Bytes::new()).unwrap())
            .await
    }

    fn asked(&self) -> Vec<String> {
        self.server.received().into_iter().map(|request| request.target).collect()
    }

    async fn live(&self, organizations: u64) {
        let live = "portcullis_organizations{key_manager=\"is\",state=\"live\"}";
        self.gateway.metric_becomes(live, organizations).await;
    }
}

#[tokio::test]
async fn an_organization_that_nobody_listed_is_served() {
    let stage = Stage::of("").await;
    let token = stage.token("org-a", "shared");
    let (one, two, three) =
        tokio::join!(stage.status(&token), stage.status(&token), stage.status(&token));
    assert_eq!((one, two, three), (200, 200, 200));
    assert_eq!(stage.asked(), ["/t/carbon.super/o/org-a/oauth2/jwks"], "one fetch for all");
    let with = |organization: &str, named: &str| {
        let mut claims = stage.claims(organization, "shared");
        claims["org_id"] = json!(named);
        stage.signer.sign(&claims)
    };
    assert_eq!(stage.status(&with("org-a", "org-a")).await, 200);
    assert_eq!(
        stage.status(&with("org-a", "org-b")).await,
        401,
        "its issuer and its org_id do not agree"
    );
    assert_eq!(
        stage.status(&stage.token("org-b", "of-b")).await,
        200,
        "an application of its organization"
    );
    let answer = stage.gateway.get("/any/1/x", Some(&stage.token("org-a", "of-b"))).await;
    assert_eq!(
        (answer.status().as_u16(), &json(&answer)["code"]),
        (401, &json!("900912")),
        "an application of another one"
    );
    assert_eq!(stage.status(&stage.token("org-b", "nobody")).await, 403);
    stage.live(2).await;
    let lines = stage.gateway.log(8).await;
    assert!(lines.iter().any(|line| line["key_manager"] == "is/carbon.super/org-a"), "{lines:?}");
    let keys = "portcullis_key_set_keys{key_manager=\"is/carbon.super/org-b\"}";
    assert_eq!(stage.gateway.metric(keys).await, 1);
}

#[tokio::test]
async fn what_the_pattern_does_not_take_is_not_asked_about() {
    let stage = Stage::of("").await;
    for organization in [
        "ORG-A",
        "org-",
        "other",
        "org-a/",
        "org-a/..",
        "..",
        "%2e%2e",
        "org-a%2f..",
        "org-a%00",
        "org-a?x",
        "org-a#x",
        "org-a@evil.example",
        "org-a:1",
        "org-a\\x",
        "org-a;x",
        "org-\u{e4}",
        "org-a b",
        "org-a\n",
        "{org}",
        "",
    ] {
        assert_eq!(
            stage.status(&stage.token(organization, "shared")).await,
            401,
            "{organization:?}"
        );
    }
    let elsewhere =
        claims("https://evil.example/t/carbon.super/o/org-a/oauth2/token", "shared", "");
    assert_eq!(stage.status(&stage.signer.sign(&elsewhere)).await, 401);
    let other_api = stage.gateway.get("/none/1/x", Some(&stage.token("org-a", "shared"))).await;
    assert_eq!(other_api.status(), 401, "the API does not take the template");
    assert_eq!(stage.asked(), [] as [&str; 0]);
    let lines = stage.gateway.log(22).await;
    assert!(lines.iter().any(|line| line["reason"] == "key_manager_not_allowed"), "{lines:?}");
}

#[tokio::test]
async fn forged_tokens_of_made_up_organizations_cost_others_nothing() {
    let stage = Stage::of("max_new_organizations = 5\nmax_organizations = 2").await;
    let (live, forger) = (stage.token("org-live", "shared"), Signer::new("key-1"));
    assert_eq!(stage.status(&live).await, 200);
    stage.live(1).await;
    let mut answers = Vec::new();
    for number in 0..60 {
        let forged = forger.sign(&stage.claims(&format!("org-made-up-{number}"), "shared"));
        answers.push(stage.from(&format!("192.0.2.{number}"), &forged).await);
        let fresh = stage.signer.sign(&{
            let mut claims = stage.claims("org-live", "shared");
            claims["jti"] = json!(number.to_string());
            claims
        });
        assert_eq!(stage.status(&fresh).await, 200, "{number}");
    }
    // the server has a key for each of them: forged, then too many
    let count = |status: u16| answers.iter().filter(|answer| answer.status() == status).count();
    assert!(
        (3..=8).contains(&count(401)) && count(401) + count(503) == 60,
        "{} {}",
        count(401),
        count(503)
    );
    assert!(stage.asked().len() <= 16, "{:?}", stage.asked());
    assert!(
        answers
            .iter()
            .filter(|answer| answer.status() == 503)
            .all(|answer| answer.headers().contains_key("retry-after"))
    );
    stage.live(1).await;
    let on_trial = "portcullis_organizations{key_manager=\"is\",state=\"on_trial\"}";
    assert!(stage.gateway.metric(on_trial).await <= 5);
    let too_many = "portcullis_organization_events_total{key_manager=\"is\",event=\"too_many\"}";
    assert!(stage.gateway.metric(too_many).await >= 50);
}

#[tokio::test]
async fn who_asks_for_what_is_not_there_pays_for_it() {
    let stage = Stage::of("max_new_organizations = 100\n[limits]\nmax_forged_tokens = 4").await;
    stage.server.always(Script::answer(404, &[], "no such organization"));
    let mut answers = Vec::new();
    for number in 0..8 {
        answers.push(
            stage
                .from("192.0.2.1", &stage.token(&format!("org-{number}"), "shared"))
                .await
                .status()
                .as_u16(),
        );
    }
    assert_eq!(answers, [401, 401, 401, 401, 429, 429, 429, 429]);
    assert_eq!(stage.asked().len(), 4);
    assert_eq!(stage.from("198.51.100.1", &stage.token("org-0", "shared")).await.status(), 401);
    assert_eq!(stage.asked().len(), 4, "known to be absent");
    let lines = stage.gateway.log(9).await;
    assert!(
        lines.iter().filter(|line| line["reason"] == "unknown_issuer").count() == 5,
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_server_in_trouble_is_not_the_clients_fault() {
    let stage = Stage::of("").await;
    stage.server.always(Script::answer(500, &[], "oops"));
    let answer = stage.gateway.get("/any/1/x", Some(&stage.token("org-a", "shared"))).await;
    assert_eq!((answer.status().as_u16(), &json(&answer)["code"]), (503, &json!("900900")));
    assert!(answer.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn live_organizations_outlive_reloads_and_revocations_reach_them() {
    let stage = Stage::of("").await;
    let (first, second) = (stage.token("org-a", "shared"), stage.token("org-b", "shared"));
    assert_eq!((stage.status(&first).await, stage.status(&second).await), (200, 200));
    stage.live(2).await;
    let config = |more: &str| config(&stage.server.url(), &stage.backend.url(), more);
    let other_limits = config("").tables("[limits]\nmax_headers = 90");
    stage.gateway.change(&other_limits).await.unwrap();
    let asked = stage.asked().len();
    assert_eq!(
        (stage.status(&first).await, stage.asked().len()),
        (200, asked),
        "what did not change goes on"
    );
    // a changed template opens those that were live by itself
    let changed = config("max_new_organizations = 1");
    stage.gateway.change(&changed).await.unwrap();
    stage.live(2).await;
    assert_eq!((stage.status(&first).await, stage.status(&second).await), (200, 200));
    let call = json!({ "consumer_key": "shared", "key_manager": "is" });
    let call = Request::post(stage.gateway.management_url("/revocations"))
        .body(Bytes::from(call.to_string()));
    assert_eq!(stage.gateway.send(call.unwrap()).await.status(), 200);
    assert_eq!(
        (stage.status(&first).await, stage.status(&second).await),
        (401, 401),
        "the template is all of them"
    );
    // and without the pattern nobody is there
    let without = changed.to_string().replace(
        "organization_pattern = \"carbon[.]super/org-[a-z0-9-]+\"\nmax_new_organizations = 1",
        "organizations = [\"carbon.super/org-z\"]",
    );
    stage.gateway.reload(&without).await.unwrap();
    assert_eq!(stage.status(&stage.token("org-a", "shared")).await, 401);
}

#[tokio::test]
async fn a_pattern_stands_where_it_can_choose_nothing_else() {
    const PATTERN: &str = "organization_pattern = \"carbon[.]super/org-[a-z0-9-]+\"";
    const ISSUER: &str = "https://is.example/t/{tenant}/o/{org}/oauth2/token";
    let gateway = Config::least().start().await;
    let good = config("https://is.example", "http://127.0.0.1:1", "").to_string();
    gateway.reload(&good).await.unwrap();
    let jwks = "jwks = \"https://is.example/t/{tenant}/o/{org}/oauth2/jwks\"";
    let wrong = [
        (PATTERN, "organization_pattern = \"(\""),
        (PATTERN, "organization_pattern = \"a)|(?:b\""),
        (PATTERN, "organization_pattern = \"\""),
        (PATTERN, "max_organizations = 4"),
        (PATTERN, "organization_pattern = \"a\"\nmax_organizations = 0"),
        (PATTERN, "organization_pattern = \"a\"\nmax_new_organizations = 5000"),
        (ISSUER, "https://{tenant}.example/o/{org}"),
        (ISSUER, "https://is.example/t/{tenant}/o-{org}/x"),
        (ISSUER, "https://is.example/t/{org}/o/{org}/x"),
        (ISSUER, "https://is.example/token"),
        (jwks, "jwks = \"https://{org}.is.example/jwks\""),
        (jwks, "jwks = \"https://is.example/jwks?o={org}\""),
        (jwks, "jwks = \"https://is.example/{other}/jwks\""),
        (
            "name = \"other\"\nissuer = \"https://other.example\"",
            "name = \"other\"\nissuer = \"https://is.example/t/{a}/o/{b}/oauth2/token\"\norganization_pattern = \"a\"",
        ),
    ];
    let files = wrong.map(|(from, to)| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    });
    insta::assert_snapshot!(gateway.reports(files).await);
}
