//! Signed introspection answers: the accepted and the refused ones.

use serde_json::{Value as Json, json};

use super::*;
use crate::jwt::rejection::Rejection;
use crate::jwt::tests::signer::Signer;
use crate::model::key_manager::{IdTokens, SignatureAlgorithm};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const HEADER: &str = r#"{"alg":"ES256","kid":"k","typ":"token-introspection+jwt"}"#;

fn rules() -> TokenRules {
    TokenRules {
        algorithms: SignatureAlgorithm::ALL.to_vec(),
        token_types: Vec::new(),
        id_tokens: IdTokens::Refuse,
        audiences: Vec::new(),
        leeway: std::time::Duration::from_secs(30),
        observe: false,
        max_lifetime: None,
    }
}

fn payload(changes: &Json) -> Json {
    let mut payload = json!({
        "iss": "https://is.example", "aud": "gateway", "iat": NOW.0,
        "token_introspection": { "active": true, "client_id": "app", "scope": "a b", "exp": NOW.0 + 600 },
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            payload.as_object_mut().unwrap().remove(name);
        } else {
            payload[name] = value.clone();
        }
    }
    payload
}

struct Stage {
    signer: Signer,
    keys: KeySet,
}

impl Stage {
    fn new() -> Stage {
        let signer = Signer::new("ES256");
        let document = json!({ "keys": [signer.jwk(&json!({ "kid": "k" }))] }).to_string();
        let keys = KeySet::from_jwks(document.as_bytes()).unwrap().keys;
        Stage { signer, keys }
    }

    fn read_as(
        &self,
        token: &str,
        issuer: &str,
        audience: &str,
    ) -> Result<Introspected, AnswerFault> {
        let rules = rules();
        let expected = ExpectedResponse { issuer, audience, rules: &rules, max_bytes: 4096 };
        signed_answer(token.as_bytes(), &self.keys, &expected, UnixSeconds(NOW.0 + 60), NOW)
    }

    fn read(&self, header: &str, payload: &Json) -> Result<Introspected, AnswerFault> {
        self.read_as(
            &self.signer.token(header, &payload.to_string()),
            "https://is.example",
            "gateway",
        )
    }
}

#[test]
fn a_good_answer_says_what_an_unsigned_one_would() {
    let stage = Stage::new();
    for changes in [
        json!({}),
        json!({ "aud": ["x", "gateway"] }),
        json!({ "iat": NOW.0 - 60 }),
        json!({ "iat": NOW.0 + 30 }),
    ] {
        let Ok(Introspected::Active(claims, _)) = stage.read(HEADER, &payload(&changes)) else {
            panic!("{changes}")
        };
        assert_eq!(
            (claims.get("client_id").and_then(JsonValue::as_str), claims.expires_at().0),
            (Some("app"), NOW.0 + 600)
        );
    }
    let inactive = payload(&json!({ "token_introspection": { "active": false } }));
    assert!(matches!(stage.read(HEADER, &inactive), Ok(Introspected::Inactive)));
    let of_another = payload(
        &json!({ "token_introspection": { "active": true, "iss": "https://other.example" } }),
    );
    assert!(matches!(stage.read(HEADER, &of_another), Ok(Introspected::Inactive)));
}

#[test]
fn whatever_is_wrong_with_it_it_says_nothing() {
    let stage = Stage::new();
    for (changes, fault) in [
        (json!({ "iss": "https://is.example/" }), AnswerFault::Issuer),
        (json!({ "iss": null }), AnswerFault::Issuer),
        (json!({ "iss": ["https://is.example"] }), AnswerFault::Issuer),
        (json!({ "aud": "another" }), AnswerFault::Audience),
        (json!({ "aud": null }), AnswerFault::Audience),
        (json!({ "aud": 1 }), AnswerFault::Audience),
        (json!({ "iat": null }), AnswerFault::Age),
        (json!({ "iat": NOW.0.to_string() }), AnswerFault::Age),
        (json!({ "iat": NOW.0 - 91 }), AnswerFault::Age),
        (json!({ "iat": NOW.0 + 31 }), AnswerFault::Age),
        (json!({ "token_introspection": null }), AnswerFault::Content),
        (json!({ "token_introspection": "{\"active\":true}" }), AnswerFault::Content),
        (
            json!({ "token_introspection": null, "active": true, "client_id": "app" }),
            AnswerFault::Content,
        ),
    ] {
        assert_eq!(stage.read(HEADER, &payload(&changes)).unwrap_err(), fault, "{changes}");
    }
    for (header, fault) in [
        (r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, AnswerFault::Type),
        (r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#, AnswerFault::Type),
        (r#"{"alg":"ES256","kid":"k"}"#, AnswerFault::Type),
    ] {
        assert_eq!(stage.read(header, &payload(&json!({}))).unwrap_err(), fault, "{header}");
    }
    assert!(
        stage
            .read(
                r#"{"alg":"ES256","kid":"k","typ":"application/Token-Introspection+JWT"}"#,
                &payload(&json!({}))
            )
            .is_ok()
    );
    for header in [
        r#"{"alg":"none","typ":"token-introspection+jwt"}"#,
        r#"{"alg":"HS256","kid":"k","typ":"token-introspection+jwt"}"#,
        r#"{"alg":"ES256","kid":"k","typ":"token-introspection+jwt","crit":["x"]}"#,
        r#"{"alg":"ES256","kid":"other","typ":"token-introspection+jwt"}"#,
    ] {
        assert!(
            matches!(stage.read(header, &payload(&json!({}))), Err(AnswerFault::Signature(_))),
            "{header}"
        );
    }
}

#[test]
fn only_the_servers_own_key_counts_and_somebody_must_be_expected() {
    let stage = Stage::new();
    let forged = Signer::new("ES256").token(HEADER, &payload(&json!({})).to_string());
    let fault = stage.read_as(&forged, "https://is.example", "gateway").unwrap_err();
    assert_eq!(fault, AnswerFault::Signature(Rejection::BadSignature));
    let good = stage.signer.token(HEADER, &payload(&json!({ "iss": "", "aud": "" })).to_string());
    assert_eq!(stage.read_as(&good, "", "").unwrap_err(), AnswerFault::Issuer);
    let good = stage.signer.token(HEADER, &payload(&json!({ "aud": "" })).to_string());
    assert_eq!(stage.read_as(&good, "https://is.example", "").unwrap_err(), AnswerFault::Audience);
    assert!(matches!(
        stage.read_as(&"x".repeat(5000), "https://is.example", "gateway"),
        Err(AnswerFault::Signature(_))
    ));
}
