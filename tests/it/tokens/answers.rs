//! What servers write in introspection answers: read where it can be meant one way, named where it is odd.

use serde_json::json;

use crate::support::config::{Config, api, application};
use crate::support::origin::Origin;
use crate::support::script::Script;

#[tokio::test]
async fn odd_members_are_understood_and_named() {
    let server = Origin::start();
    let gateway = Config::new()
        .asking("km", &server.url(), "")
        .api(
            api("any:1")
                .to(&server.url())
                .operation("method = \"GET\", path = \"/*\", scopes = [\"read\"]"),
        )
        .application(application("app").key("km", "42"))
        .start()
        .await;
    let now = jsonwebtoken::get_current_timestamp();
    let later = now + 600;
    let words = rfc3339(later);
    for (token, member, wanted) in [
        (
            "null-exp",
            json!({ "exp": null, "nbf": null, "iat": null, "aud": null, "sub": null }),
            200,
        ),
        (
            "null-rest",
            json!({ "username": null, "cnf": null, "token_type": null, "iss": null }),
            200,
        ),
        ("text", json!({ "exp": later.to_string(), "iat": now.to_string() }), 200),
        ("words", json!({ "exp": words }), 200),
        ("text-past", json!({ "exp": (now - 600).to_string() }), 401),
        ("words-past", json!({ "exp": rfc3339(now - 600) }), 401),
        ("text-future", json!({ "nbf": later.to_string() }), 401),
        ("scope-list", json!({ "scope": ["write", "read"] }), 200),
        ("other-scopes", json!({ "scope": ["write", 1, null] }), 403),
        ("number-client", json!({ "client_id": 42 }), 200),
        ("aud-shapes", json!({ "aud": ["a", null, 3] }), 200),
        ("aud-object", json!({ "aud": {} }), 200),
        ("odd-iat", json!({ "iat": "the day before" }), 200),
        ("number-sub", json!({ "sub": 7, "jti": 8 }), 200),
        // what is needed and says nothing: nobody knows how long the token is good
        ("odd-exp", json!({ "exp": "soon" }), 503),
        ("odd-nbf", json!({ "nbf": {} }), 503),
    ] {
        let mut answer = json!({ "active": true, "client_id": "42", "scope": "read" });
        answer.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        server.once(Script::answer(
            200,
            &[("Content-Type", "application/json")],
            answer.to_string(),
        ));
        let status = gateway.status("/any/1/x", token).await;
        assert_eq!(status, wanted, "{token}: {answer}");
    }
    let lines = gateway.log(16).await;
    for member in ["exp", "nbf"] {
        assert!(
            lines.iter().any(|line| line["status"] == 503
                && line["message"].as_str().unwrap().contains(&format!("`{member}`"))),
            "{lines:?}"
        );
    }
    let odd =
        gateway.metric("portcullis_introspection_odd_members_total{key_manager=\"km\"}").await;
    assert_eq!(odd, 21);
}

/// RFC 3339.
fn rfc3339(seconds: u64) -> String {
    jiff::Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap().to_string()
}
