//! What holds for every introspection answer: the word "active" has one spelling, and only our server's word on access
//! tokens counts.

use std::time::Duration;

use portcullis::jwt::{Claims, Introspected, Rejection};
use portcullis::model::clock::UnixSeconds;
use portcullis::model::key_manager::{IdTokens, TokenRules};
use serde_json::Value;

use crate::tree::{as_theirs, is_over_limit, repeats};

pub(crate) fn check(bytes: &[u8]) {
    judge(bytes);
    // as one member's value in an answer that is good otherwise
    let mut around = br#"{"active":true,"client_id":"c","value":"#.to_vec();
    around.extend_from_slice(bytes);
    around.push(b'}');
    judge(&around);
}

fn judge(answer: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(answer).ok().filter(Value::is_object);
    let readable = theirs.filter(|tree| repeats(answer) == Some(false) && !is_over_limit(tree));
    for issuer in ["", "https://as.example"] {
        let ours = Claims::introspected(answer, issuer, &RULES, LATEST);
        let Some(theirs) = &readable else {
            assert!(
                matches!(ours, Err(Rejection::Malformed(_))),
                "what cannot be read says nothing: {ours:?}"
            );
            continue;
        };
        match (&ours, theirs.get("active")) {
            // what had to be understood is the matter of the unit tests
            (Ok(Introspected::Active(_, odd)), Some(Value::Bool(true))) if !odd.is_empty() => {}
            (Ok(Introspected::Active(claims, _)), Some(Value::Bool(true))) => {
                check_claims(claims, &without_nulls(theirs), issuer);
            }
            (Ok(Introspected::Inactive), Some(Value::Bool(true))) => {
                let elsewhere = theirs
                    .get("iss")
                    .is_some_and(|said| !said.is_null() && !issuer.is_empty() && said != issuer);
                assert!(elsewhere, "active, and a token of this server");
            }
            (Ok(Introspected::NotAccess(_)), Some(Value::Bool(true)))
            | (Ok(Introspected::Inactive), Some(Value::Bool(false))) => {}
            (Err(Rejection::InvalidClaim { name, .. }), said) => {
                let message = ours.as_ref().err().map(ToString::to_string).unwrap_or_default();
                assert!(
                    message.len() < 200 && !message.chars().any(char::is_control),
                    "{message:?}"
                );
                assert!(theirs.get(*name).is_some() || *name == "active", "{name}");
                assert!(
                    *name != "active" || !said.is_some_and(Value::is_boolean),
                    "active is plain"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Null is an absent member.
fn without_nulls(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(members) = answer.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    answer
}

/// What was believed is what anyone reads in the answer.
fn check_claims(claims: &Claims, theirs: &Value, issuer: &str) {
    let tree: serde_json::Map<_, _> =
        claims.iter().map(|(name, value)| (name.to_owned(), as_theirs(value))).collect();
    assert_eq!(Value::Object(tree), *theirs, "the trees differ");
    let said = theirs.get("iss").map(|said| said.as_str().expect("a text"));
    assert_eq!(claims.issuer(), said.unwrap_or(issuer));
    assert!(issuer.is_empty() || claims.issuer() == issuer, "another server's word");
    assert!(
        !theirs["token_type"]
            .as_str()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("refresh_token"))
    );
    match theirs.get("exp") {
        None => {
            assert_eq!(
                claims.expires_at(),
                LATEST,
                "without an end it holds as long as answers do"
            );
        }
        Some(said) => {
            let said = said.as_f64().expect("a number").max(0.0);
            #[allow(
                clippy::cast_precision_loss,
                reason = "compared as loosely as the text was read"
            )]
            let ours = claims.expires_at().0 as f64;
            assert!(ours <= said && said - ours <= 1.0_f64.max(said * 1e-15), "{ours} for {said}");
        }
    }
    for name in ["sub", "iss"] {
        assert!(theirs.get(name).is_none_or(Value::is_string), "{name}");
    }
}

static RULES: TokenRules = TokenRules {
    algorithms: Vec::new(),
    token_types: Vec::new(),
    id_tokens: IdTokens::Refuse,
    audiences: Vec::new(),
    leeway: Duration::ZERO,
    observe: false,
    max_lifetime: None,
};

const LATEST: UnixSeconds = UnixSeconds(1_700_000_060);
