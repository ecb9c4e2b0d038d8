//! Signing in to the REST API of a running gateway, and making an account.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::support::bank::{Bank, ISSUER};
use crate::support::credentials::basic;
use crate::support::password::hash;
use crate::support::signer::{Signer, claims};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const USERS: &str = "/api/portcullis/v1/users";
const SIGN_UP: &str = "/api/portcullis/v1/sign-up";

async fn bank(self_signup: bool) -> Bank {
    Bank::of(|config| config.management(&users()).tables(&portal(self_signup))).await
}

fn users() -> String {
    let hash = hash();
    format!("users = [{{ name = \"admin\", password_hash = \"{hash}\", roles = [\"admin\"] }}]")
}

fn portal(self_signup: bool) -> String {
    format!("[portal]\nself_signup = {self_signup}")
}

async fn call(
    bank: &Bank,
    line: &str,
    credentials: Option<&str>,
    kind: &str,
    body: &str,
) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let url = bank.gateway.management_url(path);
    let mut request = Request::builder().method(method).uri(url).header("content-type", kind);
    if let Some(credentials) = credentials {
        request = request.header("authorization", credentials);
    }
    let request = request.body(Bytes::from(body.to_owned())).unwrap();
    let answer: Response<Bytes> = bank.gateway.send(request).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

#[tokio::test]
async fn a_command_line_tool_logs_in_and_reads_the_audit_log() {
    let bank = bank(true).await;
    let admin = basic("admin", "secret");
    let client = json!({ "clientName": "tool", "grantType": "password refresh_token" });
    let register = "POST /client-registration/v0.17/register";
    let (status, client) = call(&bank, register, Some(&admin), JSON, &client.to_string()).await;
    assert_eq!(status, 200, "{client}");
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let tool = basic(&text("clientId"), &text("clientSecret"));
    let form = "grant_type=password&username=admin&password=secret&scope=apim:admin";
    let (status, token) = call(&bank, "POST /oauth2/token", Some(&tool), FORM, form).await;
    assert_eq!(status, 200, "{token}");
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let audit = "GET /api/portcullis/v1/audit?kind=management_client";
    let (status, log) = call(&bank, audit, Some(&bearer), JSON, "").await;
    assert_eq!(status, 200, "{log}");
    assert_eq!(log["list"][0]["action"], "register-client");
    assert!(!log.to_string().contains(&text("clientSecret")));
    let metrics = bank.gateway.metrics().await;
    assert!(metrics.contains("portcullis_management_tokens 2"), "{metrics}");
}

#[tokio::test]
async fn a_reload_decides_who_may_make_an_account() {
    let bank = bank(false).await;
    let account = json!({ "name": "dora", "password": "long enough" }).to_string();
    let sign_up = format!("POST {SIGN_UP}");
    assert_eq!(call(&bank, &sign_up, None, JSON, &account).await.0, 403);
    let path = bank.gateway.folder().join("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("self_signup = false", "self_signup = true")).unwrap();
    let admin = basic("admin", "secret");
    let (status, report) = call(&bank, "POST /reload", Some(&admin), JSON, "").await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(call(&bank, &sign_up, None, JSON, &account).await.0, 201);
    let dora = basic("dora", "long enough");
    let applications = "GET /api/am/devportal/v3/applications";
    assert_eq!(call(&bank, applications, Some(&dora), JSON, "").await.0, 200);
    assert_eq!(call(&bank, &format!("GET {USERS}"), Some(&dora), JSON, "").await.0, 403);
    let (_, users) = call(&bank, &format!("GET {USERS}"), Some(&admin), JSON, "").await;
    let one = format!("DELETE {USERS}/{}", users["list"][1]["id"].as_str().unwrap());
    assert_eq!(call(&bank, &one, Some(&admin), JSON, "").await.0, 200);
    assert_eq!(call(&bank, applications, Some(&dora), JSON, "").await.0, 401);
}

#[tokio::test]
async fn a_token_of_the_key_manager_opens_what_its_scopes_say() {
    let bank = Bank::of(|config| config.management("token_key_manager = \"bank-is\"")).await;
    let signed = |signer: &Signer, scope: &str| {
        format!("Bearer {}", signer.sign(&claims(ISSUER, "good", scope)))
    };
    let users = format!("GET {USERS}");
    let admin = signed(&bank.signer, "apim:admin openid");
    let (status, listed) = call(&bank, &users, Some(&admin), JSON, "").await;
    assert_eq!((status, &listed["count"]), (200, &json!(0)), "{listed}");
    let without = signed(&bank.signer, "accounts:read admin");
    assert_eq!(call(&bank, &users, Some(&without), JSON, "").await.0, 403);
    let forged = signed(&Signer::new("key-1"), "apim:admin");
    assert_eq!(call(&bank, &users, Some(&forged), JSON, "").await.0, 401);
    let other = bank.signer.sign(&claims("https://other.example", "good", "apim:admin"));
    assert_eq!(call(&bank, &users, Some(&format!("Bearer {other}")), JSON, "").await.0, 401);
    assert_eq!(call(&bank, &users, None, JSON, "").await.0, 401);
    assert_eq!(call(&bank, &users, Some(&basic("admin", "secret")), JSON, "").await.0, 401);
    let revocation = json!({ "token": admin.trim_start_matches("Bearer ") }).to_string();
    assert_eq!(call(&bank, "POST /revocations", None, JSON, &revocation).await.0, 200);
    assert_eq!(call(&bank, &users, Some(&admin), JSON, "").await.0, 401, "it is revoked");
}
