//! `explain --denial ID`: what the gateway remembers of a refusal.

use serde_json::{Value, json};

use crate::operations::control::run;
use crate::support::bank::Bank;

const PATH: &str = "/accounts/1.0.0/accounts/42";

/// A request that is refused, and the words that its explanation has.
struct Refused {
    path: &'static str,
    token: Option<String>,
    reason: &'static str,
    status: u16,
    words: Vec<&'static str>,
}

fn refused(
    path: &'static str,
    token: Option<String>,
    reason: &'static str,
    status: u16,
    words: Vec<&'static str>,
) -> Refused {
    Refused { path, token, reason, status, words }
}

fn refusals(bank: &Bank) -> Vec<Refused> {
    let now = jsonwebtoken::get_current_timestamp();
    vec![
        refused(
            PATH,
            Some(bank.token_with(&json!({ "exp": now - 500, "sub": "somebody" }))),
            "token_expired",
            401,
            vec!["the token expired", "(leeway)", "\"sub\":\"somebody\"", "key manager", "bank-is"],
        ),
        refused(
            PATH,
            Some(bank.token_with(&json!({ "scope": "x", "scp": ["accounts:read"] }))),
            "insufficient_scope",
            403,
            vec![
                "scopes_claim = \\\"scp\\\"",
                "API accounts 1.0.0, operation /accounts/{id}",
                "good",
            ],
        ),
        refused(
            PATH,
            Some(bank.token_with(&json!({ "iss": "https://issuer.example/oauth2/token/" }))),
            "unknown_issuer",
            401,
            vec!["differs only by a slash"],
        ),
        refused(PATH, None, "missing_credentials", 401, vec!["no bearer token"]),
        refused(
            PATH,
            Some("an-opaque-token-of-somebody".to_owned()),
            "token_malformed",
            401,
            vec!["opaque"],
        ),
        refused(
            "/accounts/1.0.0/nothing?secret=s3cret",
            None,
            "operation_not_found",
            404,
            vec!["GET /accounts/1.0.0/nothing"],
        ),
    ]
}

#[tokio::test]
async fn a_refusal_is_told_by_its_id_without_the_token() {
    let bank = Bank::open().await;
    let folder = bank.gateway.folder();
    for Refused { path, token, reason, status, words } in refusals(&bank) {
        let answer = bank.gateway.get(path, token.as_deref()).await;
        assert_eq!(answer.status().as_u16(), status, "{reason}");
        let id = answer.headers()["portcullis-denial"].to_str().unwrap().to_owned();
        drop(answer);
        let (code, said, told) = run(folder, &["explain", "--json", "--denial", &id]).await;
        assert_eq!(code, Some(1), "{told}");
        let read: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&read["reason"], &read["status"]), (&json!(reason), &json!(status)), "{said}");
        let whole = read.to_string();
        for words in words {
            assert!(
                said.contains(words)
                    || whole.contains(words)
                    || whole.contains(&words.replace('"', "\\\"")),
                "{words}: {said}"
            );
        }
        assert!(!said.contains("s3cret"));
        if let Some(token) = token {
            let secret = token.rsplit('.').next().unwrap();
            assert!(!said.contains(secret), "{said}");
        }
        let (code, text, _) = run(folder, &["explain", "--denial", &id]).await;
        assert!(code == Some(1) && text.contains(&format!("refused: {reason} (HTTP {status})")));
    }
    let (code, _, told) = run(folder, &["explain", "--denial", "nobodys"]).await;
    assert!(code == Some(2) && told.contains("no refusal with this id"), "{told}");
    let metrics = bank.gateway.metrics().await;
    assert!(metrics.contains("portcullis_remembered_refusals 6"), "{metrics}");
}

#[tokio::test]
async fn without_a_running_gateway_nothing_is_remembered() {
    let bank = Bank::open().await;
    let folder = tempfile::tempdir().unwrap();
    for file in ["gateway.toml", "keys.json"] {
        std::fs::copy(bank.gateway.folder().join(file), folder.path().join(file)).unwrap();
    }
    let (code, _, told) = run(folder.path(), &["explain", "--denial", "x"]).await;
    assert!(code == Some(2) && told.contains("no gateway runs on"), "{code:?} {told}");
}
