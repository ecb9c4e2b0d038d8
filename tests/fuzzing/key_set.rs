//! What holds for every key set document: keys are kept or skipped one by one, in whatever order they stand.

use portcullis::jwt::{KeySet, KeySetError, ParsedKeySet};
use serde_json::Value;

pub(crate) fn check(bytes: &[u8]) {
    match KeySet::from_jwks(bytes) {
        Ok(parsed) => check_parsed(&parsed, bytes),
        Err(error) => check_error(&error),
    }
    // the same bytes as PEM
    match KeySet::from_pem(bytes) {
        Ok(parsed) => {
            assert!((1..=8).contains(&parsed.keys.len()) && parsed.keys.key_ids().next().is_none());
        }
        Err(error) => check_error(&error),
    }
}

fn check_parsed(parsed: &ParsedKeySet, bytes: &[u8]) {
    // a byte order mark is passed over (RFC 8259 section 8.1)
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut document: Value = serde_json::from_slice(bytes).expect("what we read is JSON");
    let elements = document["keys"].as_array_mut().expect("an array of keys");
    let (kept, skipped) = (parsed.keys.len(), parsed.skipped.len());
    assert!(kept >= 1 && kept + skipped <= elements.len() && elements.len() <= 100);
    assert!(parsed.keys.key_ids().count() <= kept);
    assert!(parsed.skipped.is_sorted_by(|one, next| one.position < next.position));
    assert!(parsed.skipped.last().is_none_or(|last| last.position < elements.len()));
    for (position, element) in elements.iter().enumerate() {
        let is_skipped = parsed.skipped.iter().any(|key| key.position == position);
        assert!(is_skipped || may_verify(element), "kept: {element}");
    }
    for key in &parsed.skipped {
        is_short_and_printable(&key.reason.to_string());
        is_short_and_printable(key.key_id.as_deref().unwrap_or_default());
    }
    // written again, an object has each member once: what was skipped for repeating one would be taken
    if parsed.skipped.iter().any(|key| key.reason.label() == "duplicate_member") {
        return;
    }
    elements.reverse();
    let reversed = KeySet::from_jwks(document.to_string().as_bytes()).expect("the same keys");
    assert_eq!((reversed.keys.len(), reversed.skipped.len()), (kept, skipped));
    assert_eq!(
        reversed.keys.fingerprint(),
        parsed.keys.fingerprint(),
        "the order of the keys matters"
    );
}

/// What each key that is kept says of itself, at the least.
fn may_verify(key: &Value) -> bool {
    let text = |member: &str| key[member].as_str();
    let absent_or =
        |member: &str, wanted: &str| key.get(member).is_none_or(|value| value == wanted);
    let operations = key
        .get("key_ops")
        .is_none_or(|all| all.as_array().is_some_and(|all| all.iter().any(|one| one == "verify")));
    let algorithm = match text("kty") {
        Some("RSA") => key.get("alg").is_none_or(|name| {
            name.as_str().is_some_and(|name| name.starts_with("RS") || name.starts_with("PS"))
        }),
        Some("EC") => match text("crv") {
            Some("P-256") => absent_or("alg", "ES256"),
            Some("P-384") => absent_or("alg", "ES384"),
            Some("P-521") => absent_or("alg", "ES512"),
            _ => false,
        },
        Some("OKP") => {
            text("crv") == Some("Ed25519")
                && (absent_or("alg", "EdDSA") || absent_or("alg", "Ed25519"))
        }
        _ => false,
    };
    algorithm
        && operations
        && absent_or("use", "sig")
        && key.get("kid").is_none_or(Value::is_string)
}

fn check_error(error: &KeySetError) {
    is_short_and_printable(&error.to_string());
}

fn is_short_and_printable(message: &str) {
    assert!(message.chars().count() < 250 && !message.chars().any(char::is_control), "{message:?}");
}
