//! `portcullis jwk`: what a server has to know of the gateway's key.

use std::path::Path;
use std::process::Output;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::Value;

use crate::support::program::command;

fn jwk(folder: &Path, file: &str) -> Output {
    command(folder, &["jwk", file]).output().expect("the program runs")
}

#[test]
fn the_public_half_is_printed_as_a_key_set() {
    let folder = tempfile::tempdir().unwrap();
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    std::fs::write(folder.path().join("gw.key"), pair.serialize_pem()).unwrap();
    let output = jwk(folder.path(), "gw.key");
    let note = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{note}");
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    let key = &set["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"]),
        (&"EC".into(), &"P-256".into(), &"sig".into())
    );
    assert_eq!(key["alg"], "ES256");
    assert!(key["d"].is_null(), "nothing private");
    // RFC 7638, as the gateway names the key in its client assertions
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, key["x"], key["y"]);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
    assert_eq!(key["kid"], thumbprint.as_str());
    // Keycloak 26's KeyUtils.createKeyId
    let keycloak = URL_SAFE_NO_PAD.encode(digest(&SHA256, &pair.subject_public_key_info()));
    assert!(note.contains(&keycloak), "{note}");
    for (name, content) in [("public.pem", pair.public_key_pem()), ("empty", String::new())] {
        std::fs::write(folder.path().join(name), content).unwrap();
        let output = jwk(folder.path(), name);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("private key"), "{name}");
    }
    assert_eq!(jwk(folder.path(), "absent").status.code(), Some(2));
}
