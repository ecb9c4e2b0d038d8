//! What backends are told of the caller, and what clients are told before they have a token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::Request;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::support::bank::{self, Bank};
use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::signer::{Signer, claims};

const PATH: &str = "/accounts/1.0.0/accounts/42";

const OWNED: &str = "owner = \"charlie\"\nattributes = { team = \"loans\", cost = \"7\" }";

struct Teller {
    gateway: Gateway,
    backend: Origin,
    signer: Signer,
}

async fn open(settings: &str) -> Teller {
    let (backend, signer) = (Origin::start(), Signer::new("key-1"));
    let key = || rcgen::KeyPair::generate().unwrap().serialize_pem();
    let mapping = "claim_mapping = { department = \"http://wso2.org/claims/department\" }";
    let gateway = Config::new()
        .signed_by("bank-is", bank::ISSUER, &signer, &format!("type = \"WSO2-IS-7\"\n{mapping}"))
        .tables(&format!("[backend_jwt]\nkey = \"new.key\"\n{settings}"))
        .api(
            api("accounts:1.0.0").to(&backend.url()).lines("backend_jwt = true").operation(
                "method = \"GET\", path = \"/accounts/{id}\", scopes = [\"accounts:read\"]",
            ),
        )
        .api(api("other:1.0.0").to(&backend.url()))
        .application(application("good").lines(OWNED).key("bank-is", "good"))
        .beside("new.key", key())
        .beside("old.key", key())
        .start()
        .await;
    Teller { gateway, backend, signer }
}

impl Teller {
    fn token(&self) -> String {
        let mut claims = claims(bank::ISSUER, "good", "accounts:read");
        claims["department"] = json!("loans");
        claims["iss2"] = json!({ "nested": [1, -2, 1.5, null, true] });
        self.signer.sign(&claims)
    }

    async fn jwks(&self) -> Value {
        serde_json::from_slice(self.gateway.management("GET", "/jwks").await.body()).unwrap()
    }
}

#[tokio::test]
async fn a_backend_is_told_who_calls_and_can_verify_it() {
    let teller = open("previous_keys = [\"old.key\"]\n").await;
    let token = teller.token();
    let mut request =
        Request::get(teller.gateway.url(PATH)).header("authorization", format!("Bearer {token}"));
    request = request.header("x-jwt-assertion", "mine").header("x_jwt_assertion", "mine");
    assert_eq!(teller.gateway.send(request.body(Bytes::new()).unwrap()).await.status(), 200);
    assert_eq!(teller.gateway.get(PATH, Some(&token)).await.status(), 200);
    let seen = teller.backend.wait_for(2).await;
    let assertion = seen[0].values("x-jwt-assertion")[0].to_owned();
    assert!(
        seen[0].values("x_jwt_assertion").is_empty()
            && seen[0].values("x-jwt-assertion").len() == 1
    );
    let keys = teller.jwks().await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "the old one too");
    let header = jsonwebtoken::decode_header(&assertion).unwrap();
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == header.kid.clone().unwrap())
        .unwrap();
    assert!(key.get("d").is_none());
    let key = DecodingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.validate_aud = false;
    let said = jsonwebtoken::decode::<Value>(&assertion, &key, &rules).unwrap().claims;
    for (name, value) in [
        ("iss", json!("wso2.org/products/am")),
        ("sub", json!("good")),
        ("http://wso2.org/claims/applicationname", json!("good")),
        ("http://wso2.org/claims/subscriber", json!("charlie")),
        ("http://wso2.org/claims/applicationAttributes", json!({ "team": "loans", "cost": "7" })),
        ("http://wso2.org/claims/apiname", json!("accounts")),
        ("http://wso2.org/claims/apicontext", json!("/accounts/1.0.0")),
        ("http://wso2.org/claims/version", json!("1.0.0")),
        ("http://wso2.org/claims/keytype", json!("PRODUCTION")),
        ("http://wso2.org/claims/usertype", json!("Application_User")),
        ("http://wso2.org/claims/enduser", json!("good")),
        ("http://wso2.org/claims/department", json!("loans")),
        ("iss2", json!({ "nested": [1, -2, 1.5, null, true] })),
    ] {
        assert_eq!(said[name], value, "{name}");
    }
    assert!(
        said.get("department").is_none()
            && said["exp"].as_u64().unwrap() <= said["iat"].as_u64().unwrap() + 900
    );
}

#[tokio::test]
async fn an_api_that_does_not_ask_for_it_passes_no_word_of_a_clients() {
    let teller = open("header = \"X-Caller\"\nencoding = \"base64\"\n").await;
    let token = teller.token();
    let request = Request::get(teller.gateway.url("/other/1.0.0/x"))
        .header("authorization", format!("Bearer {token}"));
    let request = request.header("x-caller", "mine").header("X_Caller", "mine");
    assert_eq!(teller.gateway.send(request.body(Bytes::new()).unwrap()).await.status(), 200);
    assert_eq!(teller.gateway.get(PATH, Some(&token)).await.status(), 200);
    let seen = teller.backend.wait_for(2).await;
    assert!(seen[0].values("x-caller").is_empty() && seen[0].values("x_caller").is_empty());
    let parts: Vec<_> = seen[1].values("x-caller")[0].split('.').map(str::to_owned).collect();
    assert_eq!(parts.len(), 3);
    assert!(STANDARD_NO_PAD.decode(&parts[1]).is_ok(), "WSO2's own encoding");
}

#[tokio::test]
async fn a_client_without_a_token_is_shown_the_way() {
    let bank = Bank::open().await;
    let answer = bank.gateway.get(PATH, None).await;
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    let (_, rest) = challenge.split_once("resource_metadata=\"").expect("a pointer");
    let url = rest.split('"').next().unwrap();
    let answer = bank.gateway.send(Request::get(url).body(Bytes::new()).unwrap()).await;
    let said: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(
        (answer.status().as_u16(), &said["authorization_servers"]),
        (200, &json!([bank::ISSUER]))
    );
    assert_eq!(said["resource"], json!(bank.gateway.url("/accounts/1.0.0")));
    assert_eq!(said["scopes_supported"], json!(["accounts:read", "accounts:write"]));
    for path in ["", "/nowhere", "/retired/1.0.0", "/accounts/1.0.0/accounts"] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        assert_eq!(bank.gateway.get(&path, None).await.status(), 404, "{path}");
    }
    assert!(bank.production.received().is_empty());
}
