//! What holds for every payload under a good signature: it is read as JSON is read, strictly, and only then believed.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jwt::{Claims, JsonFault, KeySet, Malformed, Number, Rejection, Unverified, Value};
use portcullis::model::clock::UnixSeconds;
use portcullis::model::key_manager::{SignatureAlgorithm, TokenRules};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

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
    let repeats = serde_json::from_slice::<Shape>(payload).map(|shape| shape.repeats);
    let unverified = match (parsed, &theirs) {
        (Ok(unverified), Ok(serde_json::Value::Object(_))) => unverified,
        (Ok(_), theirs) => panic!("read, but JSON it is not: {theirs:?}"),
        (Err(Rejection::Malformed(Malformed::Payload(fault))), theirs) => return check_fault(fault, theirs.as_ref().ok(), repeats.ok()),
        (Err(other), _) => panic!("the header is good: {other}"),
    };
    assert_eq!(repeats.ok(), Some(false), "a member is named twice");
    let theirs = theirs.unwrap_or_default();
    assert_eq!(unverified.issuer(), theirs["iss"].as_str());
    match unverified.verify(&KEYS, &RULES, NOW) {
        Ok(claims) => check_claims(&claims, &theirs),
        Err(
            Rejection::InvalidClaim { .. }
            | Rejection::Expired
            | Rejection::NotYetValid
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
        JsonFault::OverLimit => assert!(theirs.is_none_or(|tree| depth(tree) > 31 || width(tree) > 4096)),
    }
}

/// What was believed is what anyone reads in the text, and is still good.
fn check_claims(claims: &Claims, theirs: &serde_json::Value) {
    let tree: serde_json::Map<_, _> = claims.iter().map(|(name, value)| (name.to_owned(), as_theirs(value))).collect();
    assert_eq!(serde_json::Value::Object(tree), *theirs, "the trees differ");
    assert_eq!(Some(claims.issuer()), theirs["iss"].as_str());
    for name in ["sub", "jti"] {
        assert!(theirs.get(name).is_none_or(serde_json::Value::is_string), "{name}");
    }
    assert!(theirs["exp"].as_f64().is_some_and(|time| (FIRST_EXP..LAST_EXP + 1.0).contains(&time)), "exp");
    let begun = |time: &serde_json::Value| time.as_f64().is_some_and(|time| time <= LAST_NBF);
    assert!(theirs.get("nbf").is_none_or(begun), "nbf");
    assert!(theirs.get("iat").is_none_or(serde_json::Value::is_number), "iat");
    let audiences = theirs.get("aud").map(|audience| match audience {
        serde_json::Value::Array(all) => all.iter().map(|one| one.as_str().expect("a text").to_owned()).collect(),
        one => vec![one.as_str().expect("a text").to_owned()],
    });
    assert_eq!(claims.audiences(), audiences.unwrap_or_default());
    assert!(theirs["token_use"] != "id" && theirs["typ"] != "ID" && theirs["typ"] != "Refresh");
}

fn as_theirs(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(Number::Unsigned(number)) => (*number).into(),
        Value::Number(Number::Negative(number)) => (*number).into(),
        Value::Number(Number::Float(number)) => (*number).into(),
        Value::String(text) => (**text).into(),
        Value::Array(elements) => elements.iter().map(as_theirs).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.to_owned(), as_theirs(value))).collect(),
    }
}

fn depth(tree: &serde_json::Value) -> usize {
    match tree {
        serde_json::Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn width(tree: &serde_json::Value) -> usize {
    match tree {
        serde_json::Value::Array(elements) => elements.iter().map(width).max().unwrap_or_default().max(elements.len()),
        serde_json::Value::Object(members) => members.values().map(width).max().unwrap_or_default().max(members.len()),
        _ => 0,
    }
}

/// Whether an object of a text names a member twice: what a map of names has forgotten.
struct Shape {
    repeats: bool,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape { repeats: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Shape, A::Error> {
        let mut repeats = false;
        while let Some(element) = elements.next_element::<Shape>()? {
            repeats |= element.repeats;
        }
        Ok(Shape { repeats })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let (mut names, mut repeats) = (HashSet::new(), false);
        while let Some((name, value)) = members.next_entry::<String, Shape>()? {
            repeats |= value.repeats || !names.insert(name);
        }
        Ok(Shape { repeats })
    }
}

fn seal(payload: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(br#"{"alg":"EdDSA","kid":"k1"}"#), URL_SAFE_NO_PAD.encode(payload));
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(PAIR.sign(input.as_bytes())))
}

/// Any key will do, as long as each run has the same.
static PAIR: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"));

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let point = URL_SAFE_NO_PAD.encode(PAIR.public_key());
    let document = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"{point}"}}]}}"#);
    KeySet::from_jwks(document.as_bytes()).expect("a key set").keys
});

static RULES: LazyLock<TokenRules> = LazyLock::new(|| TokenRules {
    algorithms: vec![SignatureAlgorithm::EdDSA],
    token_types: Vec::new(),
    audiences: Vec::new(),
    leeway: Duration::from_secs(30),
    max_lifetime: Some(Duration::from_mins(10)),
});

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
/// What the rules come to at that time.
const FIRST_EXP: f64 = 1_699_999_971.0;
const LAST_EXP: f64 = 1_700_000_630.0;
const LAST_NBF: f64 = 1_700_000_030.0;
