//! Calls of operators: what would have no effect is refused and says what was meant; what was revoked is listed and can
//! be taken back.

use bytes::Bytes;
use http::{Request, Response};
use portcullis::model::clock::Clock;
use portcullis::supervise::clock::SystemClock;
use serde_json::{Value, json};

use crate::support::bank::{self, Bank};
use crate::support::config::{Config, api};
use crate::support::gateway::{self, Gateway};
use crate::support::origin::Origin;
use crate::support::signer::{Signer, claims};

const PATH: &str = "/accounts/1.0.0/accounts/42";

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Response<Bytes> {
    let request = Request::post(gateway.management_url(path)).body(Bytes::from(body.to_string()));
    gateway.send(request.unwrap()).await
}

async fn revoke(gateway: &Gateway, body: &Value) -> Response<Bytes> {
    post(gateway, "/revocations", body).await
}

fn detail(answer: &Response<Bytes>) -> String {
    gateway::json(answer)["detail"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_call_without_effect_is_refused_and_told_what_was_meant() {
    let bank = Bank::open().await;
    let now = SystemClock.now().0;
    let token = bank.token_with(&json!({ "jti": "one" }));
    let expired = bank.token_with(&json!({ "exp": now - 900 }));
    let stranger = bank.token_with(&json!({ "iss": "https://stranger.example" }));
    let cut = token.rsplit_once('.').unwrap().0;
    let seconds = now.to_string();
    let milliseconds = now * 1000;
    for (call, meant) in [
        (json!({ "token": format!("Bearer {token}") }), "begins with \"Bearer \""),
        (json!({ "token": format!("DPoP {token}") }), "begins with \"DPoP \""),
        (json!({ "token": format!("{token}\n") }), "white space"),
        (json!({ "token": format!("{token} ") }), "white space"),
        (json!({ "token": format!(" {token}") }), "white space"),
        (json!({ "token": token.replacen('.', "\n.", 1) }), "line break"),
        (json!({ "token": expired }), "expired 90"),
        (json!({ "token": stranger }), "https://stranger.example"),
        (json!({ "token": cut }), "a part of it missing"),
        (json!({ "token": token, "before": now }), "needs `consumer_key` or `subject`"),
        (json!({ "token": token, "expires_at": now - 60 }), "`expires_at` passed 6"),
        (json!({ "token": token, "expires_at": milliseconds }), &format!("write {seconds}")),
        (json!({ "token": token, "expires_at": now + 4_000_000_000_u64 }), "more than 10 years"),
        (json!({ "token": "" }), "is empty"),
        (json!({ "token": 5 }), "not a string"),
        (json!({ "jti": "one", "subject": "good" }), "`jti` and `subject` exclude"),
        (json!({ "jti": "one", "token": token }), "`token` and `jti` exclude"),
        (json!({ "jti": "one ", "key_manager": "bank-is" }), "white space"),
        (json!({ "jti": "one", "before": now }), "`before` needs"),
        (json!({ "jti": token }), "send it as `token`"),
        (json!({ "subject": token }), "send it as `token`"),
        (json!({ "jti": "one", "key_manager": "nobody" }), "\"nobody\""),
        (json!({ "jti": "one", "key_manager": 5 }), "`key_manager` is not a string"),
        (json!({ "jti": "one", "issuer": "https://stranger.example" }), "stranger"),
        (
            json!({ "jti": "one", "issuer": bank::ISSUER, "key_manager": "bank-is" }),
            "exclude each other",
        ),
        (json!({ "consumer_key": "good", "before": milliseconds }), &format!("write {seconds}")),
        (json!({ "consumer_key": "good", "before": now + 3600 }), "seconds in the future"),
        (json!({ "consumer_key": "good", "before": 0 }), "before 2001"),
        (json!({ "consumer_key": "good", "before": "now" }), "not a number of seconds"),
        (json!({ "consumer_key": "good", "before": -5 }), "not a number of seconds"),
        (json!({ "consumer_key": "good", "expire_at": now + 60 }), "unknown member \"expire_at\""),
        (json!({ "key_manager": "bank-is" }), "names no `token`"),
        (json!({ "subject": null }), "names no `token`"),
        (json!(["token"]), "not a JSON object"),
    ] {
        let answer = revoke(&bank.gateway, &call).await;
        assert_eq!(answer.status(), 400, "{call}: {:?}", answer.body());
        let detail = detail(&answer);
        assert!(detail.contains(meant), "{call}: {detail}");
        assert!(!detail.contains(&token), "no token in a message");
    }
    assert_eq!(bank.gateway.get(PATH, Some(&token)).await.status(), 200);
    let listed = gateway::json(&bank.gateway.management("GET", "/revocations").await);
    assert_eq!((&listed["count"], &listed["total"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn a_notice_with_times_of_another_unit_is_refused_and_one_that_is_late_says_so() {
    let bank = Bank::open().await;
    let (now, notify) = (SystemClock.now().0, "/internal/data/v1/notify");
    for (event, meant) in [
        (json!({ "consumerKey": "good", "revocationTime": now }), format!("write {now}000")),
        (json!({ "accessToken": "x", "expiryTime": now + 60 }), "must be in milliseconds".into()),
        (
            json!({ "entityId": "good", "revocationTime": now * 1_000_000 }),
            "is in milliseconds, but must be in seconds".into(),
        ),
        (
            json!({ "consumerKey": "good", "revocationTime": (now + 86_400) * 1000 }),
            "in the future".into(),
        ),
    ] {
        let answer = post(&bank.gateway, notify, &event).await;
        assert_eq!(answer.status(), 400, "{event}");
        assert!(detail(&answer).contains(&meant), "{event}: {}", detail(&answer));
    }
    let late = json!({ "accessToken": "late", "expiryTime": (now - 600) * 1000 });
    let answer = post(&bank.gateway, notify, &late).await;
    assert_eq!(answer.status(), 200);
    let told = gateway::json(&answer);
    assert_eq!(told["marks"], 0);
    assert!(told["status"].as_str().unwrap().contains("nothing is revoked"), "{told}");
}

#[tokio::test]
async fn revocations_are_listed_and_taken_back() {
    let bank = Bank::open().await;
    let now = SystemClock.now().0;
    let token = bank.token_with(&json!({ "jti": "one", "iat": now - 60 }));
    let status = async || bank.gateway.get(PATH, Some(&token)).await.status().as_u16();
    let mut ids = Vec::new();
    for call in [
        json!({ "token": token }),
        json!({ "jti": "one" }),
        json!({ "consumer_key": "good", "key_manager": "bank-is" }),
        json!({ "subject": "good", "issuer": bank::ISSUER, "before": now }),
    ] {
        let told = gateway::json(&revoke(&bank.gateway, &call).await);
        assert_eq!(told["status"], "revoked", "{told}");
        assert_eq!(gateway::json(&revoke(&bank.gateway, &call).await)["id"], told["id"], "again");
        ids.push(told["id"].as_str().unwrap().to_owned());
    }
    let answer = bank.gateway.management("GET", "/revocations?limit=1000").await;
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    assert!(!text.contains("eyJ"), "no token in a list: {text}");
    let listed = gateway::json(&answer);
    assert_eq!((&listed["total"], &listed["journal"]), (&json!(4), &json!("good")));
    let entry = |id: &str| {
        let entries = listed["revocations"].as_array().unwrap();
        entries.iter().find(|entry| entry["id"] == id).unwrap().clone()
    };
    let client = entry(&ids[2]);
    assert_eq!(client["revoked_by"], "(this machine)");
    assert!(client["revoked_at"].as_u64().unwrap() >= now);
    let of = &client["of"][0];
    assert_eq!(
        (&of["kind"], &of["value"], &of["issuer"]),
        (&json!("consumer_key"), &json!("good"), &json!(bank::ISSUER))
    );
    assert_eq!(entry(&ids[0])["of"][0]["kind"], "token");
    assert_eq!(entry(&ids[1])["of"].as_array().unwrap().len(), 3, "one for each issuer");
    for query in ["limit=0", "limit=1001", "limit=x", "page=2"] {
        let path = format!("/revocations?{query}");
        assert_eq!(bank.gateway.management("GET", &path).await.status(), 400, "{query}");
    }
    for (position, id) in ids.iter().enumerate() {
        assert_eq!(status().await, 401, "{position}");
        let path = format!("/revocations/{id}");
        assert_eq!(bank.gateway.management("POST", &path).await.status(), 405);
        assert_eq!(bank.gateway.management("DELETE", &path).await.status(), 200);
        assert_eq!(bank.gateway.management("DELETE", &path).await.status(), 404);
    }
    assert_eq!(status().await, 200, "everything was taken back");
    for id in ["", "x", "0000000000000000", "../revocations"] {
        let path = format!("/revocations/{id}");
        assert_eq!(bank.gateway.management("DELETE", &path).await.status(), 404, "{id}");
    }
    let metrics = bank.gateway.metrics().await;
    assert!(metrics.contains("portcullis_revocations_lifted_total 6"), "{metrics}");
    // what was taken back can be revoked again
    assert_eq!(revoke(&bank.gateway, &json!({ "jti": "one" })).await.status(), 200);
    assert_eq!(status().await, 401);
}

/// A folder in which gateways are started one after the other.
struct Folder {
    place: tempfile::TempDir,
    signer: Signer,
    backend: Origin,
}

impl Folder {
    fn new() -> Folder {
        let (place, signer) = (tempfile::tempdir().unwrap(), Signer::new("key-1"));
        Folder { place, signer, backend: Origin::start() }
    }

    async fn start(&self, change: impl Fn(String) -> String) -> Gateway {
        let url = self.backend.url();
        let config = bank::config(&url, &url, &self.signer);
        config.write_to(self.place.path());
        std::fs::write(self.place.path().join("gateway.toml"), change(config.to_string())).unwrap();
        Gateway::start_in(self.place.path(), None).await
    }
}

#[tokio::test]
async fn a_key_manager_with_another_name_keeps_its_revocations() {
    let folder = Folder::new();
    let mut own = claims(bank::ISSUER, "good", "accounts:read");
    own["jti"] = json!("one");
    let token = folder.signer.sign(&own);
    for call in [
        json!({ "jti": "one", "key_manager": "bank-is" }),
        json!({ "consumer_key": "good", "key_manager": "bank-is" }),
        json!({ "subject": "good", "key_manager": "WSO2-IS-7" }),
    ] {
        let gateway = folder.start(|text| text).await;
        assert_eq!(gateway.get(PATH, Some(&token)).await.status(), 200, "{call}");
        let id = gateway::json(&revoke(&gateway, &call).await)["id"].as_str().unwrap().to_owned();
        drop(gateway);
        let gateway = folder.start(|text| text.replace("bank-is", "renamed")).await;
        assert_eq!(gateway.get(PATH, Some(&token)).await.status(), 401, "{call}");
        let path = format!("/revocations/{id}");
        assert_eq!(gateway.management("DELETE", &path).await.status(), 200);
    }
}

#[tokio::test]
async fn a_journal_of_an_earlier_build_holds_by_name() {
    use portcullis::revocation::record::Mark;
    let folder = Folder::new();
    let mut own = claims(bank::ISSUER, "good", "accounts:read");
    own["jti"] = json!("one");
    let token = folder.signer.sign(&own);
    let until = SystemClock.now().0 + 3600;
    // 33 bytes: the kind, the mark, the end and the moment
    let mark = Mark::of_id("bank-is", "one");
    let record = [&[1][..], &mark.0, &until.to_be_bytes(), &[0; 8]].concat();
    std::fs::create_dir(folder.place.path().join("state")).unwrap();
    std::fs::write(folder.place.path().join("state/revocations"), record).unwrap();
    for _ in 0..2 {
        let gateway = folder.start(|text| text).await;
        assert_eq!(gateway.get(PATH, Some(&token)).await.status(), 401);
        let listed = gateway::json(&gateway.management("GET", "/revocations").await);
        assert_eq!(listed["journal"], "good", "{listed}");
    }
}

#[tokio::test]
async fn a_template_stands_for_all_of_its_organizations_listed_or_not() {
    let (backend, signer) = (Origin::start(), Signer::new("key-1"));
    let keys = Origin::serving(crate::support::script::Script::answer(
        200,
        &[("content-type", "application/json")],
        signer.jwks(),
    ));
    let config = |listed: &str| {
        let keys = keys.url();
        let lines = format!(
            r#"type = "WSO2-IS-7"
issuer = "https://is.example/o/{{org}}/oauth2/token"
certificates = {{ jwks = "{keys}/o/{{org}}/jwks" }}
organizations = [{listed}]
organization_pattern = "org-[a-z]""#
        );
        Config::new()
            .key_manager("is", &lines)
            .api(api("any:1").without_subscription().to(&backend.url()))
    };
    let gateway = config("\"org-a\"").start().await;
    gateway.ready().await;
    let token = |organization: &str, id: &str| {
        let issuer = format!("https://is.example/o/{organization}/oauth2/token");
        let mut claims = claims(&issuer, "client", "");
        claims["jti"] = json!(id);
        signer.sign(&claims)
    };
    let status = async |organization: &str, id: &str| {
        gateway.get("/any/1/x", Some(&token(organization, id))).await.status().as_u16()
    };
    for organization in ["org-a", "org-b"] {
        assert_eq!(status(organization, "one").await, 200, "{organization}");
    }
    let told = revoke(&gateway, &json!({ "jti": "one", "key_manager": "is" })).await;
    assert_eq!(gateway::json(&told)["marks"], 1, "one for the template");
    let issuer = "https://is.example/o/org-b/oauth2/token";
    assert_eq!(revoke(&gateway, &json!({ "jti": "two", "issuer": issuer })).await.status(), 200);
    for (organization, id, wanted) in [
        ("org-a", "one", 401),
        ("org-b", "one", 401),
        ("org-c", "one", 401),
        ("org-b", "two", 401),
        ("org-a", "two", 200),
    ] {
        assert_eq!(status(organization, id).await, wanted, "{id} of {organization}");
    }
    // an organization that is listed later keeps what was said of it
    let renamed = config("\"org-a\", \"org-b\"").to_string().replace("\"is\"", "\"renamed\"");
    gateway.reload(&renamed).await.unwrap();
    gateway.ready().await;
    for (organization, id, wanted) in
        [("org-b", "two", 401), ("org-b", "one", 401), ("org-a", "two", 200)]
    {
        assert_eq!(status(organization, id).await, wanted, "{id} of {organization}, renamed");
    }
}
