//! What holds for every payload under a good signature: it is read as JSON is read, strictly, and only then believed.

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jwt::{Claims, JsonFault, KeySet, MalformedToken, Rejection, Unverified};
use portcullis::model::clock::UnixSeconds;
use portcullis::model::key_manager::{IdTokens, SignatureAlgorithm, TokenRules};

use crate::tree::{as_theirs, is_over_limit, repeats};

pub(crate) fn check(bytes: &[u8]) {
    judge(bytes);
    // as the value of one claim among good ones, so that every reading that is not refused can be compared
    let mut around = br#"{"iss":"a","exp":1700000600,"value":"#.to_vec();
    around.extend_from_slice(bytes);
    around.push(b'}');
    judge(&around);
}

fn judge(payload: &[u8]) {
    let token = seal(payload);
    let parsed = Unverified::parse(token.as_bytes(), token.len());
    let theirs = serde_json::from_slice::<serde_json::Value>(payload);
    let repeats = repeats(payload);
    let unverified = match (parsed, &theirs) {
        (Ok(unverified), Ok(serde_json::Value::Object(_))) => unverified,
        (Ok(_), theirs) => panic!("read, but JSON it is not: {theirs:?}"),
        (Err(Rejection::Malformed(MalformedToken::Payload(fault))), theirs) => {
            return check_fault(fault, theirs.as_ref().ok(), repeats);
        }
        (Err(other), _) => panic!("the header is good: {other}"),
    };
    assert_eq!(repeats, Some(false), "a member is named twice");
    let theirs = theirs.unwrap_or_default();
    assert_eq!(unverified.issuer(), theirs["iss"].as_str());
    match unverified.verify(&KEYS, &RULES, NOW) {
        Ok(claims) => check_claims(&claims, &theirs),
        Err(
            Rejection::InvalidClaim { .. }
            | Rejection::Expired { .. }
            | Rejection::NotYetValid { .. }
            | Rejection::LifetimeTooLong
            | Rejection::TokenType(_)
            | Rejection::Audience,
        ) => {}
        Err(other) => panic!("the signature is good: {other}"),
    }
}

/// Each refusal has its cause in the text.
fn check_fault(fault: JsonFault, theirs: Option<&serde_json::Value>, repeats: Option<bool>) {
    match fault {
        JsonFault::DuplicateMember => assert_eq!(repeats, Some(true)),
        JsonFault::NotAnObject => assert!(theirs.is_some_and(|tree| !tree.is_object())),
        JsonFault::NotUtf8 | JsonFault::Syntax { .. } => assert_eq!(theirs, None, "{fault}"),
        // the limit may be reached before an error that comes later in the text
        JsonFault::OverLimit => assert!(theirs.is_none_or(is_over_limit)),
    }
}

fn has_reserved_name(value: &serde_json::Value) -> bool {
    const RESERVED: &str = "$serde_json::private::RawValue";
    match value {
        serde_json::Value::Object(members) => {
            members.iter().any(|(name, below)| name == RESERVED || has_reserved_name(below))
        }
        serde_json::Value::Array(values) => values.iter().any(has_reserved_name),
        _ => false,
    }
}

/// What was believed is what anyone reads in the text, and is still good.
fn check_claims(claims: &Claims, theirs: &serde_json::Value) {
    let tree: serde_json::Map<_, _> =
        claims.iter().map(|(name, value)| (name.to_owned(), as_theirs(value))).collect();
    // with its feature `raw_value`, the other reader gives this name a meaning of its own
    if !claims.iter().any(|(_, value)| has_reserved_name(&as_theirs(value))) {
        assert_eq!(serde_json::Value::Object(tree), *theirs, "the trees differ");
    }
    assert_eq!(Some(claims.issuer()), theirs["iss"].as_str());
    for name in ["sub", "jti"] {
        assert!(theirs.get(name).is_none_or(serde_json::Value::is_string), "{name}");
    }
    assert!(
        theirs["exp"].as_f64().is_some_and(|time| (FIRST_EXP..LAST_EXP + 1.0).contains(&time)),
        "exp"
    );
    let begun = |time: &serde_json::Value| time.as_f64().is_some_and(|time| time <= LAST_NBF);
    assert!(theirs.get("nbf").is_none_or(begun), "nbf");
    assert!(theirs.get("iat").is_none_or(serde_json::Value::is_number), "iat");
    let audiences = theirs.get("aud").map(|audience| match audience {
        serde_json::Value::Array(all) => {
            all.iter().map(|one| one.as_str().expect("a text").to_owned()).collect()
        }
        one => vec![one.as_str().expect("a text").to_owned()],
    });
    assert_eq!(claims.audiences(), audiences.unwrap_or_default());
    assert!(theirs["token_use"] != "id" && theirs["typ"] != "ID" && theirs["typ"] != "Refresh");
}

fn seal(payload: &[u8]) -> String {
    let input = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(br#"{"alg":"EdDSA","kid":"k1"}"#),
        URL_SAFE_NO_PAD.encode(payload)
    );
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(PAIR.sign(input.as_bytes())))
}

/// Any key will do, as long as each run has the same.
static PAIR: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"));

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let point = URL_SAFE_NO_PAD.encode(PAIR.public_key());
    let document =
        format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"{point}"}}]}}"#);
    KeySet::from_jwks(document.as_bytes()).expect("a key set").keys
});

static RULES: LazyLock<TokenRules> = LazyLock::new(|| TokenRules {
    algorithms: vec![SignatureAlgorithm::EdDSA],
    token_types: Vec::new(),
    id_tokens: IdTokens::Refuse,
    audiences: Vec::new(),
    leeway: Duration::from_secs(30),
    observe: false,
    max_lifetime: Some(Duration::from_mins(10)),
});

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
/// What the rules come to at that time.
const FIRST_EXP: f64 = 1_699_999_971.0;
const LAST_EXP: f64 = 1_700_000_630.0;
const LAST_NBF: f64 = 1_700_000_030.0;
