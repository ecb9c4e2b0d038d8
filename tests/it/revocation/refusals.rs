//! Revoked tokens: refused from the next request on, however the word came, and after a restart too.

use bytes::Bytes;
use http::{Request, Response};
use portcullis::model::clock::Clock;
use portcullis::supervise::clock::SystemClock;
use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::credentials;
use crate::support::gateway::Gateway;
use crate::support::password;

const PATH: &str = "/accounts/1.0.0/accounts/42";

async fn tell(
    gateway: &Gateway,
    path: &str,
    body: &Value,
    headers: &[(&str, &str)],
) -> Response<Bytes> {
    let mut request = Request::post(gateway.management_url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    gateway.send(request.body(Bytes::from(body.to_string())).unwrap()).await
}

async fn status(bank: &Bank, token: &str) -> u16 {
    bank.gateway.get(PATH, Some(token)).await.status().as_u16()
}

#[tokio::test]
async fn one_token_ends_at_once_and_others_go_on() {
    let bank = Bank::open().await;
    let (first, second) =
        (bank.token_with(&json!({ "jti": "one" })), bank.token_with(&json!({ "jti": "two" })));
    assert_eq!((status(&bank, &first).await, status(&bank, &second).await), (200, 200));
    assert_eq!(
        tell(&bank.gateway, "/revocations", &json!({ "token": first }), &[]).await.status(),
        200
    );
    assert_eq!((status(&bank, &first).await, status(&bank, &second).await), (401, 200));
    let call = json!({ "jti": "two", "key_manager": "bank-is" });
    assert_eq!(tell(&bank.gateway, "/revocations", &call, &[]).await.status(), 200);
    assert_eq!(status(&bank, &second).await, 401);
    let lines = bank.gateway.log(5).await;
    assert_eq!(lines.iter().filter(|line| line["reason"] == "token_revoked").count(), 2);
}

#[tokio::test]
async fn the_identity_servers_notices_are_understood() {
    let bank = Bank::open().await;
    let now = SystemClock.now().0;
    let notify = "/internal/data/v1/notify";
    let token = bank.token_with(&json!({ "jti": "told" }));
    let event = json!({
        "accessToken": "told", "expiryTime": (now + 3600) * 1000, "user": "admin", "consumerKey": "good", "tokenType": "JWT",
        "eventId": "0a1b", "timeStamp": now * 1000, "type": "token_revocation", "tenantId": -1234, "tenantDomain": "carbon.super",
    });
    assert_eq!(status(&bank, &token).await, 200);
    assert_eq!(
        tell(&bank.gateway, notify, &event, &[("x-wso2-key-manager", "Nobody")]).await.status(),
        400
    );
    assert_eq!(
        tell(&bank.gateway, notify, &event, &[("x-wso2-key-manager", "WSO2-IS-7")]).await.status(),
        200
    );
    assert_eq!(status(&bank, &token).await, 401);
    let old = bank.token_with(&json!({ "iat": now - 100, "jti": "old" }));
    let new = bank.token_with(&json!({ "iat": now + 5, "jti": "new" }));
    let event = json!({ "type": "consumer_app_revocation_event", "consumerKey": "good", "revocationTime": now * 1000 });
    assert_eq!(
        tell(&bank.gateway, notify, &event, &[("x-wso2-key-manager", "bank-is")]).await.status(),
        200
    );
    assert_eq!((status(&bank, &old).await, status(&bank, &new).await), (401, 200));
    let event = json!({ "type": "subject_entity_revocation_event", "entityId": "good", "entityType": "USER_ID", "revocationTime": (now + 60) * 1000 });
    assert_eq!(tell(&bank.gateway, notify, &event, &[]).await.status(), 200);
    assert_eq!(status(&bank, &new).await, 401, "the subject");
    for bad in [json!([]), json!({}), json!({ "type": "token_revocation" })] {
        assert_eq!(tell(&bank.gateway, notify, &bad, &[]).await.status(), 400, "{bad}");
    }
    assert_eq!(
        tell(&bank.gateway, notify, &event, &[("origin", "https://evil.example")]).await.status(),
        403,
        "not from a browser"
    );
}

#[tokio::test]
async fn with_users_a_password_is_asked_for_and_a_restart_forgets_nothing() {
    let users =
        "users = [{ name = \"admin\", password_hash = { file = \"hash\" }, roles = [\"admin\"] }]";
    let mut bank = Bank::of(|config| {
        config.management(users).beside("hash", format!("{}\n", password::hash()))
    })
    .await;
    let token = bank.token();
    let call = json!({ "token": token });
    for authorization in
        [None, Some("Basic YWRtaW46d3Jvbmc="), Some("Basic bm9ib2R5OmxldG1laW4="), Some("Bearer x")]
    {
        let headers: Vec<_> =
            authorization.map(|value| ("authorization", value)).into_iter().collect();
        let answer = tell(&bank.gateway, "/revocations", &call, &headers).await;
        assert_eq!(answer.status(), 401, "{authorization:?}");
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    }
    assert_eq!(bank.gateway.get(PATH, Some(&token)).await.status(), 200);
    let right = credentials::basic("admin", "secret");
    let answer = tell(&bank.gateway, "/revocations", &call, &[("authorization", &right)]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(bank.gateway.get(PATH, Some(&token)).await.status(), 401);
    bank.gateway.end();
    let gateway = Gateway::start_in(bank.gateway.folder(), None).await;
    assert_eq!(gateway.get(PATH, Some(&token)).await.status(), 401, "after a restart");
}

/// An event of the identity server's listener, with these members.
fn event(kind: &str, more: &Value) -> Value {
    let now = SystemClock.now().0 * 1000;
    let mut event = json!({
        "eventId": "0a1b", "timeStamp": now, "type": kind,
        "tenantId": -1234, "tenantDomain": "carbon.super",
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

#[tokio::test]
async fn every_event_of_the_identity_servers_listener_is_understood() {
    let bank = Bank::open().await;
    let now = SystemClock.now().0;
    let by_signature = bank.token_with(&json!({ "jti": null }));
    let same_claims = bank.token_with(&json!({ "jti": null }));
    let signature = by_signature.rsplit('.').next().unwrap().to_owned();
    let user = bank.token_with(&json!({ "iat": now - 9, "jti": "u", "entity_id": "2c5f-uuid" }));
    let listed = bank.token_with(&json!({ "iat": now + 9, "jti": "listed" }));
    let others = bank.token_with(&json!({ "iat": now + 9, "jti": "not listed" }));
    let old = bank.token_with(&json!({ "iat": now - 9, "jti": "old" }));
    let list =
        json!([event("token_revocation", &json!({ "accessToken": "listed", "expiryTime": 1000 }))]);
    let cases = [
        (
            "WSO2IS",
            event("token_revocation", &json!({ "accessToken": signature, "expiryTime": i64::MAX })),
            &by_signature,
            &same_claims,
        ),
        (
            "WSO2-IS",
            event(
                "subject_entity_revocation_event",
                &json!({ "entityId": "2c5f-uuid", "entityType": "USER_ID", "revocationTime": now * 1000 }),
            ),
            &user,
            &same_claims,
        ),
        (
            "default",
            event(
                "token_revocation_batch",
                &json!({ "consumerKey": "nobody", "tokenRevocationEventList": list }),
            ),
            &listed,
            &others,
        ),
        (
            "wso2-is-7",
            event(
                "token_revocation_batch",
                &json!({ "consumerKey": "good", "tokenRevocationEventList": [] }),
            ),
            &old,
            &others,
        ),
    ];
    for (sender, event, ended, going_on) in cases {
        let both = async || (status(&bank, ended).await, status(&bank, going_on).await);
        assert_eq!(both().await, (200, 200), "{event}");
        let headers = [("x-wso2-key-manager", sender)];
        let answer = tell(&bank.gateway, "/internal/data/v1/notify", &event, &headers).await;
        assert_eq!(answer.status(), 200, "{sender} {event}");
        assert_eq!(both().await, (401, 200), "{event}");
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_beyond_its_end_too() {
    let bank = Bank::open().await;
    // taken within the leeway of thirty seconds
    let token = bank.token_with(&json!({ "exp": SystemClock.now().0 - 5, "jti": "late" }));
    assert_eq!(status(&bank, &token).await, 200);
    assert_eq!(
        tell(&bank.gateway, "/revocations", &json!({ "token": token }), &[]).await.status(),
        200
    );
    assert_eq!(status(&bank, &token).await, 401);
    let text = bank.gateway.metrics().await;
    assert!(text.contains("portcullis_revocations{kind=\"token\"} 1"), "{text}");
    assert!(
        text.contains(
            "portcullis_revocations_applied_total{kind=\"token\",source=\"management\"} 1"
        ),
        "{text}"
    );
}
