//! A command line tool registers a client, gets tokens, and calls with them.

use http::header;
use serde_json::{Value, json};

use crate::admin::test_api::{ApiAnswer, ApiStage, basic};
use crate::model::gateway::PortalSettings;
use crate::model::secret::SecretKey;
use crate::model::store::{StoreLocation, StoreSettings};
use crate::store::StoreKeys;

const REGISTER: &str = "POST /client-registration/v0.17/register";
const USERS: &str = "GET /api/portcullis/v1/users";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn stage() -> ApiStage {
    ApiStage::new(PortalSettings::default())
}

/// A gateway whose tokens hold in a fleet.
fn sealing_stage() -> ApiStage {
    let settings = StoreSettings {
        location: StoreLocation::None,
        state_dir: std::path::PathBuf::new(),
        poll_interval: std::time::Duration::from_secs(1),
        encryption_key: Some(SecretKey::new([1; 32])),
        previous_encryption_keys: Vec::new(),
    };
    ApiStage::sealing(PortalSettings::default(), StoreKeys::new(&settings).unwrap())
}

/// Registers a client of a user and returns its credentials.
async fn client(stage: &ApiStage, user: &str) -> String {
    let body = json!({
        "callbackUrl": "www.google.lk", "clientName": "tool", "owner": user, "saasApp": true,
        "grantType": "client_credentials password refresh_token",
    });
    let answer = stage.user(user, REGISTER, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["appOwner"], *user);
    let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
    basic(&text("clientId"), &text("clientSecret"))
}

async fn token(stage: &ApiStage, client: &str, form: &str) -> ApiAnswer {
    let headers = [("authorization", client), FORM];
    stage.call("POST /oauth2/token", &headers, form.to_owned()).await
}

async fn with_token(stage: &ApiStage, answer: &ApiAnswer, line: &str) -> ApiAnswer {
    let token = format!("Bearer {}", answer.body["access_token"].as_str().unwrap());
    stage.call(line, &[("authorization", &token)], "").await
}

#[tokio::test]
async fn a_command_line_tool_logs_in() {
    for stage in [stage(), sealing_stage()] {
        log_in(&stage).await;
    }
}

async fn log_in(stage: &ApiStage) {
    let tool = client(stage, "admin").await;
    let form = "grant_type=password&username=admin@carbon.super&password=secret\
                &scope=apim:admin+apim:unheard_of+openid";
    let first = token(stage, &tool, form).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(
        (&first.body["scope"], &first.body["expires_in"]),
        (&json!("apim:admin"), &json!(3600))
    );
    assert_eq!(with_token(stage, &first, USERS).await.status, 200);
    let refresh = first.body["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    let second = token(stage, &tool, &form).await;
    assert_eq!(with_token(stage, &second, USERS).await.status, 200);
    let again = token(stage, &tool, &form).await;
    assert_eq!((again.status.as_u16(), &again.body["error"]), (400, &json!("invalid_grant")));
    let used = second.body["access_token"].as_str().unwrap();
    let headers = [("authorization", tool.as_str()), FORM];
    let ended = stage.call("POST /oauth2/revoke", &headers, format!("token={used}")).await;
    assert_eq!(ended.status, 200);
    let answer = with_token(stage, &second, USERS).await;
    assert_eq!(answer.status, 401);
    let challenge = answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.starts_with("Bearer") && challenge.contains("invalid_token"), "{challenge}");
    let refresh_as_access = json!({ "access_token": second.body["refresh_token"] });
    let refresh = ApiAnswer { body: refresh_as_access, ..second };
    assert_eq!(with_token(stage, &refresh, USERS).await.status, 401);
}

#[tokio::test]
async fn a_token_has_no_scope_that_its_user_does_not_have_or_did_not_ask_for() {
    let stage = stage();
    let tool = client(&stage, "developer").await;
    let scope = "scope=apim:admin+apim:subscribe";
    for form in [
        format!("grant_type=password&username=developer&password=secret&{scope}"),
        format!("grant_type=client_credentials&{scope}"),
    ] {
        let answer = token(&stage, &tool, &form).await;
        assert_eq!(answer.body["scope"], "apim:subscribe", "{answer:?}");
        assert_eq!(with_token(&stage, &answer, USERS).await.status, 403);
    }
    let none = token(&stage, &tool, "grant_type=password&username=admin&password=secret").await;
    assert_eq!(with_token(&stage, &none, USERS).await.status, 403, "it asked for nothing");
}

#[tokio::test]
async fn wrong_clients_and_wrong_requests_are_refused() {
    let stage = stage();
    let tool = client(&stage, "admin").await;
    let password = "grant_type=password&username=admin&password=";
    for (client, form, status, error) in [
        (&basic("unknown", "x"), format!("{password}secret"), 401, "invalid_client"),
        (&tool, format!("{password}wrong"), 400, "invalid_grant"),
        (&tool, "grant_type=password&username=admin".to_owned(), 400, "invalid_request"),
        (&tool, format!("{password}secret&username=admin"), 400, "invalid_request"),
        (&tool, "grant_type=implicit".to_owned(), 400, "unsupported_grant_type"),
        (&tool, String::new(), 400, "invalid_request"),
        (&tool, "grant_type=refresh_token&refresh_token=x".to_owned(), 400, "invalid_grant"),
    ] {
        let answer = token(&stage, client, &form).await;
        assert_eq!(answer.status.as_u16(), status, "{form}: {answer:?}");
        assert_eq!(answer.body["error"], error, "{form}");
    }
    let json = [("authorization", tool.as_str()), ("content-type", "application/json")];
    assert_eq!(stage.call("POST /oauth2/token", &json, "{}").await.status, 400);
}

#[tokio::test]
async fn nobody_enters_without_credentials_or_from_another_site() {
    let stage = stage();
    let nobody = stage.call(USERS, &[], "").await;
    assert_eq!(nobody.status, 401);
    assert!(nobody.headers.contains_key(header::WWW_AUTHENTICATE));
    assert_eq!(nobody.body["code"], 401);
    let right = basic("admin", "secret");
    for field in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let fields = [("authorization", right.as_str()), ("host", "gw"), field];
        assert_eq!(stage.call(USERS, &fields, "").await.status, 403, "{field:?}");
        assert_eq!(stage.call("POST /oauth2/token", &fields, "").await.status, 403, "{field:?}");
    }
    let own = [("authorization", right.as_str()), ("host", "gw"), ("origin", "https://gw")];
    assert_eq!(stage.call(USERS, &own, "").await.status, 200);
    assert_eq!(stage.user("admin:guess", USERS, &Value::Null).await.status, 401);
    assert_eq!(stage.user("nobody", USERS, &Value::Null).await.status, 401);
    let digest = [("authorization", "Digest username=\"admin\"")];
    assert_eq!(stage.call(USERS, &digest, "").await.status, 401);
}

#[tokio::test]
async fn without_users_nobody_may_sign_in() {
    let stage = ApiStage::of(Vec::new(), PortalSettings::default());
    let sign_up = "POST /api/portcullis/v1/sign-up";
    for line in [USERS, "POST /oauth2/token", REGISTER, sign_up] {
        let answer = stage.user("admin", line, &json!({})).await;
        assert_eq!(answer.status, 503, "{line}");
        let description = answer.body["description"].as_str().unwrap();
        assert!(description.contains("nobody may sign in"), "{description}");
    }
}

#[tokio::test]
async fn a_user_keeps_a_bounded_number_of_clients() {
    let stage = stage();
    let first = client(&stage, "admin").await;
    for _ in 0..32 {
        client(&stage, "admin").await;
    }
    let form = "grant_type=client_credentials";
    assert_eq!(token(&stage, &first, form).await.status, 401, "it made room");
    let of_another = client(&stage, "developer").await;
    assert_eq!(token(&stage, &of_another, form).await.status, 200);
}

#[tokio::test]
async fn a_user_who_ends_many_tokens_loses_the_older_ones_and_gets_new_ones() {
    let stage = sealing_stage();
    let tool = client(&stage, "admin").await;
    let form = "grant_type=password&username=admin&password=secret&scope=apim:admin";
    let first = token(&stage, &tool, form).await;
    let mut latest = token(&stage, &tool, form).await;
    // one more than a user has notes, and one that stands for all
    for _ in 0..257 {
        let refresh = latest.body["refresh_token"].as_str().unwrap();
        let form = format!("grant_type=refresh_token&refresh_token={refresh}");
        stage.clock_moves();
        latest = token(&stage, &tool, &form).await;
        assert_eq!(latest.status, 200, "{latest:?}");
    }
    assert_eq!(with_token(&stage, &first, USERS).await.status, 401);
    assert_eq!(with_token(&stage, &latest, USERS).await.status, 200);
    let refresh = latest.body["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    assert_eq!(token(&stage, &tool, &form).await.status, 200);
}
