//! Wycheproof's vectors for JOSE: forged, misspelt and misused signatures and keys, as many libraries got them wrong.
//!
//! Their payloads are no claims, so a vector goes as far as the signature. They are fetched as a Go module of one version
//! and digest, which `tests/vectors/wycheproof` names.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::jwt::compact;
use crate::jwt::header::Header;
use crate::jwt::tests::MAX_BYTES;
use crate::jwt::{KeySet, Rejection};
use crate::model::key_manager::SignatureAlgorithm;

/// Vectors that are listed as valid and are refused here, with the reasons. A key with an `alg` is
/// for that algorithm alone (RFC 8725 section 3.1), and the tokens of these have another one.
const STRICTER: &[(&str, u64, &str)] = &[
    ("json_web_signature_test.json", 346, "the key says PS256, the token PS384"),
    ("json_web_signature_test.json", 347, "the key says ES521, which is no algorithm"),
    ("json_web_signature_test.json", 350, "the key says PS256, the token PS384"),
    ("json_web_signature_test.json", 351, "the key says ES521, which is no algorithm"),
];

#[test]
fn json_web_signatures() {
    run("json_web_signature_test.json", (401, 32));
}

#[test]
fn json_web_keys() {
    run("json_web_key_test.json", (26, 1));
}

#[test]
fn json_web_crypto() {
    run("json_web_crypto_test.json", (49, 2));
}

fn run(file: &str, counts: (usize, usize)) {
    let text = std::fs::read(folder().join("testvectors_v1").join(file)).unwrap();
    let vectors: Value = serde_json::from_slice(&text).unwrap();
    let (mut seen, mut accepted, mut wrong) = (0, 0, Vec::new());
    for group in vectors["testGroups"].as_array().unwrap() {
        let keys = keys_of(group);
        for vector in
            group["tests"].as_array().unwrap().iter().filter(|vector| vector.get("jws").is_some())
        {
            let id = vector["tcId"].as_u64().unwrap();
            let stricter = STRICTER.iter().any(|(of, number, _)| *of == file && *number == id);
            let symmetric = group.get("public").is_none() && is_symmetric(&group["private"]);
            let valid = vector["result"] == "valid" && !symmetric;
            assert!(valid || !stricter, "{id} is not called valid");
            let wanted = valid && !stricter;
            let outcome = accept(vector["jws"].as_str(), keys.as_ref());
            if outcome.is_ok() != wanted {
                wrong.push(format!(
                    "{file} {id} {}: {} {:?}: {outcome:?}",
                    group["comment"], vector["comment"], vector["flags"]
                ));
            }
            seen += 1;
            accepted += usize::from(outcome.is_ok());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        (seen, accepted),
        counts,
        "{file}: as many vectors, and as many good ones, as the pinned version has"
    );
}

/// Does the verification that precedes the claims.
fn accept(jws: Option<&str>, keys: Option<&KeySet>) -> Result<(), Rejection> {
    let not_compact = Rejection::Malformed(crate::jwt::MalformedToken::Parts);
    let jws = jws.ok_or_else(|| not_compact.clone())?;
    let parts = compact::split(jws.as_bytes(), MAX_BYTES)?;
    let header = Header::read(&parts.header)?;
    let unknown = || Rejection::Algorithm { name: crate::jwt::Excerpt::of(&header.algorithm) };
    let algorithm = SignatureAlgorithm::from_name(&header.algorithm).ok_or_else(unknown)?;
    if let Some(member) = header.critical {
        return Err(Rejection::CriticalHeader { member });
    }
    let keys = keys.ok_or(Rejection::UnknownKey { key_id: None })?;
    keys.check(header.key_id.as_deref(), algorithm, parts.signing_input, &parts.signature).map(drop)
}

/// A group's key or keys, as a key manager would publish them.
fn keys_of(group: &Value) -> Option<KeySet> {
    let keys = group.get("public").unwrap_or(&group["private"]);
    let document = if keys.get("keys").is_some() {
        keys.clone()
    } else {
        serde_json::json!({ "keys": [keys] })
    };
    KeySet::from_jwks(document.to_string().as_bytes()).ok().map(|parsed| parsed.keys)
}

fn is_symmetric(key: &Value) -> bool {
    key["kty"] == "oct"
        || key["keys"].as_array().is_some_and(|keys| keys.iter().all(|key| key["kty"] == "oct"))
}

fn folder() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let pinned = std::fs::read_to_string(root.join("tests/vectors/wycheproof")).unwrap();
    let (module, sum) = pinned.trim().split_once(' ').unwrap();
    // outside the checkout, because a module around it would take part
    let told = Command::new("go")
        .args(["mod", "download", "-json", module])
        .current_dir(std::env::temp_dir())
        .output();
    let told = told.expect("go runs; tests/run installs it");
    let told: Value = serde_json::from_slice(&told.stdout).expect("what was downloaded");
    assert_eq!(told["Sum"], sum, "{told}");
    PathBuf::from(told["Dir"].as_str().unwrap())
}
