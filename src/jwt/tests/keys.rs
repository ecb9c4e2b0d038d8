//! Key sets: usable keys, skipped keys, and the key of a token.

use serde_json::{Value, json};

use crate::jwt::tests::signer::{Signer, encode, key_set_of, pem};
use crate::jwt::tests::{GOOD, MAX_BYTES, NOW, key_set, rules};
use crate::jwt::{KeySet, KeySetError, Rejection, SkipReason, Unverified};
use crate::model::reason::Reason;

fn judge(token: &str, keys: &KeySet) -> Result<(), Rejection> {
    Unverified::parse(token.as_bytes(), MAX_BYTES).unwrap().verify(keys, &rules(), NOW).map(|_| ())
}

fn with_id(signer: &Signer, id: &str) -> String {
    signer.token(&format!(r#"{{"alg":"{}","kid":"{id}"}}"#, signer.algorithm), GOOD)
}

fn without_id(signer: &Signer) -> String {
    signer.token(&format!(r#"{{"alg":"{}"}}"#, signer.algorithm), GOOD)
}

/// The label of the only key's reason.
fn skipped(key: &Value) -> &'static str {
    let good = Signer::new("EdDSA").jwk(&json!({"kid": "good"}));
    let set = KeySet::from_jwks(&key_set_of(&[key.clone(), good])).unwrap();
    assert_eq!((set.keys.len(), set.skipped.len()), (1, 1), "{key}");
    match KeySet::from_jwks(&key_set_of(std::slice::from_ref(key))).unwrap_err() {
        KeySetError::NoUsableKey { skipped } => assert_eq!(skipped, set.skipped),
        other => panic!("{other:?}"),
    }
    assert!(!set.skipped[0].reason.to_string().is_empty());
    set.skipped[0].reason.label()
}

#[test]
fn an_unusable_key_is_skipped_for_its_own_reason() {
    let (rsa, ec, ed) = (Signer::new("RS256"), Signer::new("ES256"), Signer::new("EdDSA"));
    let member =
        |signer: &Signer, name: &str| signer.jwk(&json!({}))[name].as_str().unwrap().to_owned();
    for (key, label) in [
        (json!(7), "not_an_object"),
        (json!(null), "not_an_object"),
        (json!({}), "missing_member"),
        (json!({"kty": 1}), "wrong_type"),
        (json!({"kty": "oct", "k": "AAAA"}), "symmetric"),
        (json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"}), "key_type"),
        (json!({"kty": "OKP", "crv": "X25519", "x": member(&ed, "x")}), "curve"),
        (json!({"kty": "OKP", "crv": "Ed448", "x": member(&ed, "x")}), "curve"),
        (json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}), "curve"),
        (rsa.jwk(&json!({"use": "enc"})), "use"),
        (rsa.jwk(&json!({"use": null})), "wrong_type"),
        (rsa.jwk(&json!({"key_ops": ["sign", "encrypt"]})), "key_operations"),
        (rsa.jwk(&json!({"key_ops": "verify"})), "wrong_type"),
        (rsa.jwk(&json!({"alg": "RSA-OAEP-256"})), "algorithm"),
        (rsa.jwk(&json!({"alg": "HS256"})), "algorithm"),
        (rsa.jwk(&json!({"alg": "ES256"})), "algorithm"),
        (rsa.jwk(&json!({"alg": ""})), "algorithm"),
        (ec.jwk(&json!({"alg": "ES384"})), "algorithm"),
        (ed.jwk(&json!({"alg": "ES256"})), "algorithm"),
        (rsa.jwk(&json!({"kid": 5})), "wrong_type"),
        (rsa.jwk(&json!({"kid": "k".repeat(1025)})), "key_id_too_long"),
        (rsa.jwk(&json!({"n": encode(&[0xff; 255])})), "rsa_size"),
        (rsa.jwk(&json!({"n": encode(&[0xff; 1025])})), "rsa_size"),
        (rsa.jwk(&json!({"n": ""})), "rsa_size"),
        (rsa.jwk(&json!({"n": encode(&[0xfe; 256])})), "rsa_modulus"),
        (rsa.jwk(&json!({"e": "AQ"})), "rsa_exponent"),
        (rsa.jwk(&json!({"e": "AAE"})), "rsa_exponent"),
        (rsa.jwk(&json!({"e": ""})), "rsa_exponent"),
        (rsa.jwk(&json!({"e": "AQAA"})), "rsa_exponent"),
        (rsa.jwk(&json!({"e": encode(&[1, 0, 0, 0, 1])})), "rsa_exponent"),
        (rsa.jwk(&json!({"n": "a+b/"})), "base64"),
        (rsa.jwk(&json!({"e": "AQAB="})), "base64"),
        (rsa.jwk(&json!({"n": 7})), "wrong_type"),
        (ec.jwk(&json!({"x": encode(&[1; 33])})), "point_length"),
        (ec.jwk(&json!({"x": ""})), "point_length"),
        (ec.jwk(&json!({"x": encode(&[1; 31])})), "rejected"),
        (ec.jwk(&json!({"x": encode(&[0; 33])})), "rejected"),
        (rsa.jwk(&json!({"e": "AQAB=="})), "base64"),
        (ed.jwk(&json!({"alg": "Ed448"})), "algorithm"),
        (ec.jwk(&json!({"alg": "ESP256"})), "algorithm"),
        (ec.jwk(&json!({"x": encode(&[7; 32])})), "rejected"),
        (ec.jwk(&json!({"x": encode(&[0; 32]), "y": encode(&[0; 32])})), "rejected"),
        (ec.jwk(&json!({"crv": "P-384"})), "rejected"),
        (ed.jwk(&json!({"x": encode(&[1; 31])})), "point_length"),
    ] {
        assert_eq!(skipped(&key), label, "{key}");
    }
}

#[test]
fn a_member_named_twice_spoils_its_key_alone() {
    let (first, second) = (Signer::new("EdDSA"), Signer::new("EdDSA"));
    let twice = first.jwk(&json!({"kid": "a"})).to_string().replace('{', r#"{"kid":"b","#);
    let document = format!(r#"{{"keys":[{twice},{}]}}"#, second.jwk(&json!({"kid": "c"})));
    let set = KeySet::from_jwks(document.as_bytes()).unwrap();
    assert_eq!(set.keys.key_ids().collect::<Vec<_>>(), ["c"]);
    assert_eq!(
        (set.skipped[0].position, &set.skipped[0].reason),
        (0, &SkipReason::DuplicateMember)
    );
}

#[test]
fn documents_that_are_no_key_set() {
    let key = Signer::new("EdDSA").jwk(&json!({"kid": "a"}));
    for text in ["{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, &key.to_string()] {
        assert!(
            matches!(KeySet::from_jwks(text.as_bytes()), Err(KeySetError::NotAKeySet)),
            "{text}"
        );
    }
    for text in [
        "",
        "<html>",
        "[]",
        "{\"keys\":[",
        &format!(r#"{{"keys":[{key}],"keys":[]}}"#),
        &"[".repeat(100_000),
        "\u{feff}\u{feff}{\"keys\":[]}",
    ] {
        assert!(matches!(KeySet::from_jwks(text.as_bytes()), Err(KeySetError::Json(_))), "{text}");
    }
    assert!(
        matches!(KeySet::from_jwks(br#"{"keys":[]}"#), Err(KeySetError::NoUsableKey { skipped }) if skipped.is_empty())
    );
    let many = key_set_of(&vec![json!({}); 101]);
    assert!(matches!(
        KeySet::from_jwks(&many),
        Err(KeySetError::TooManyKeys { count: 101, limit: 100 })
    ));
}

#[test]
fn the_key_id_is_looked_up_exactly() {
    let (a, b) = (Signer::new("ES256"), Signer::new("ES256"));
    let keys = key_set(&[
        a.jwk(&json!({"kid": "a"})),
        b.jwk(&json!({"kid": "b"})),
        Signer::new("ES384").jwk(&json!({})),
    ]);
    assert_eq!(judge(&with_id(&a, "a"), &keys), Ok(()));
    assert_eq!(judge(&with_id(&b, "a"), &keys), Err(Rejection::BadSignature));
    for id in ["A", "", "a ", "c"] {
        let rejection = judge(&with_id(&a, id), &keys).unwrap_err();
        assert_eq!(rejection.reason(), Reason::UnknownKey, "{id:?}");
        assert!(rejection.newer_keys_may_help());
    }
    assert_eq!(judge(&without_id(&a), &keys), Err(Rejection::AmbiguousKey));
}

#[test]
fn without_a_key_id_exactly_one_key_must_fit() {
    let (a, b) = (Signer::new("ES256"), Signer::new("RS256"));
    let keys = key_set(&[a.jwk(&json!({"kid": "a"})), b.jwk(&json!({}))]);
    assert_eq!(judge(&without_id(&a), &keys), Ok(()));
    assert_eq!(judge(&without_id(&b), &keys), Ok(()));
    assert_eq!(
        judge(&without_id(&Signer::new("EdDSA")), &keys),
        Err(Rejection::UnknownKey { key_id: None })
    );
    // a key without an id is not the one that an id names
    assert_eq!(judge(&with_id(&b, "b"), &keys).unwrap_err().reason(), Reason::UnknownKey);
}

#[test]
fn one_id_for_several_keys() {
    let (ec, rsa, other) = (Signer::new("ES256"), Signer::new("RS256"), Signer::new("RS256"));
    let keys = key_set(&[ec.jwk(&json!({"kid": "k"})), rsa.jwk(&json!({"kid": "k"}))]);
    assert_eq!(judge(&with_id(&ec, "k"), &keys), Ok(()));
    assert_eq!(judge(&with_id(&rsa, "k"), &keys), Ok(()));
    let keys = key_set(&[rsa.jwk(&json!({"kid": "k"})), other.jwk(&json!({"kid": "k"}))]);
    assert_eq!(judge(&with_id(&rsa, "k"), &keys), Err(Rejection::AmbiguousKey));
    let keys =
        key_set(&[rsa.jwk(&json!({"kid": "k"})), rsa.jwk(&json!({"kid": "k", "use": "sig"}))]);
    assert_eq!(keys.len(), 1);
    let keys =
        key_set(&[rsa.jwk(&json!({"kid": "k"})), rsa.jwk(&json!({"kid": "k", "alg": "RS256"}))]);
    assert_eq!(judge(&with_id(&rsa, "k"), &keys), Ok(()), "the same numbers leave nothing open");
}

#[test]
fn fingerprints_follow_the_usable_keys() {
    let (a, b) = (Signer::new("ES256"), Signer::new("RS256"));
    let (ka, kb) = (a.jwk(&json!({"kid": "a"})), b.jwk(&json!({"kid": "b"})));
    let print = |keys: &[Value]| key_set(keys).fingerprint();
    assert_eq!(
        print(&[ka.clone(), kb.clone()]),
        print(&[kb.clone(), json!({"kty": "oct"}), ka.clone(), ka.clone()])
    );
    assert_eq!(
        print(std::slice::from_ref(&ka)),
        print(&[a.jwk(&json!({"kid": "a", "x5c": ["AA"], "alg": "ES256"}))])
    );
    for other in [
        vec![ka.clone()],
        vec![a.jwk(&json!({"kid": "c"})), kb.clone()],
        vec![ka.clone(), b.jwk(&json!({"kid": "b", "alg": "RS256"}))],
    ] {
        assert_ne!(print(&[ka.clone(), kb.clone()]), print(&other));
    }
}

#[test]
fn a_leading_zero_octet_does_not_make_another_modulus() {
    use base64::Engine;
    let rsa = Signer::new("RS256");
    let modulus = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(rsa.jwk(&json!({}))["n"].as_str().unwrap())
        .unwrap();
    let keys =
        key_set(
            &[rsa.jwk(&json!({"kid": "k", "n": encode(&[&[0], modulus.as_slice()].concat())}))],
        );
    assert_eq!(judge(&with_id(&rsa, "k"), &keys), Ok(()));
    assert_eq!(keys.fingerprint(), key_set(&[rsa.jwk(&json!({"kid": "k"}))]).fingerprint());
}

/// Makes a P-256 key whose coordinate begins with a zero byte, which is one in 128.
fn short_coordinate() -> (Signer, &'static str, Vec<u8>) {
    loop {
        let signer = Signer::new("ES256");
        let jwk = signer.jwk(&json!({}));
        for name in ["x", "y"] {
            let bytes = decode(jwk[name].as_str().unwrap());
            if bytes[0] == 0 {
                return (signer, name, bytes);
            }
        }
    }
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn numbers_that_mean_one_key_only_are_read_however_they_are_written() {
    let padded = |jwk: &Value, name: &str| {
        let text = jwk[name].as_str().unwrap();
        format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4))
    };
    let (short, name, bytes) = short_coordinate();
    let (rsa, ed) = (Signer::new("RS256"), Signer::new("EdDSA"));
    let (plain, point) = (rsa.jwk(&json!({})), ed.jwk(&json!({})));
    let signed = [0].iter().chain(&bytes).copied().collect::<Vec<u8>>();
    for (signer, odd) in [
        (&rsa, rsa.jwk(&json!({"kid": "k", "n": padded(&plain, "n")}))),
        (&ed, ed.jwk(&json!({"kid": "k", "x": padded(&point, "x")}))),
        (&short, short.jwk(&json!({"kid": "k", name: encode(&bytes[1..])}))),
        (&short, short.jwk(&json!({"kid": "k", name: encode(&signed)}))),
    ] {
        let keys = key_set(std::slice::from_ref(&odd));
        assert_eq!(judge(&with_id(signer, "k"), &keys), Ok(()), "{odd}");
        assert_eq!(keys.fingerprint(), key_set(&[signer.jwk(&json!({"kid": "k"}))]).fingerprint());
    }
    let document = [
        b"\xEF\xBB\xBF ".as_slice(),
        br#"{"keys":["#,
        rsa.jwk(&json!({})).to_string().as_bytes(),
        b"]}",
    ]
    .concat();
    assert!(KeySet::from_jwks(&document).is_ok(), "a byte order mark");
}

#[test]
fn ed25519_has_two_names() {
    let signer = Signer::new("EdDSA");
    for said in ["EdDSA", "Ed25519"] {
        let keys = key_set(&[signer.jwk(&json!({"kid": "k", "alg": said}))]);
        assert_eq!(judge(&with_id(&signer, "k"), &keys), Ok(()), "{said}");
        let token = signer.token(r#"{"alg":"Ed25519","kid":"k"}"#, GOOD);
        assert_eq!(judge(&token, &keys), Ok(()), "{said}");
    }
}

#[test]
fn pem_keys_of_every_kind_verify_whatever_the_key_id() {
    for algorithm in ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"] {
        let signer = Signer::new(algorithm);
        let set = KeySet::from_pem(
            format!("a note\n{}", pem("PUBLIC KEY", &signer.public_info())).as_bytes(),
        )
        .unwrap();
        assert_eq!(judge(&with_id(&signer, "anything"), &set.keys), Ok(()), "{algorithm}");
        assert_eq!(judge(&without_id(&signer), &set.keys), Ok(()), "{algorithm}");
        assert_eq!(
            judge(&without_id(&Signer::new(algorithm)), &set.keys),
            Err(Rejection::BadSignature),
            "{algorithm}"
        );
    }
    let signer = Signer::new("RS256");
    let set = KeySet::from_pem(pem("RSA PUBLIC KEY", signer.public_bytes()).as_bytes()).unwrap();
    assert_eq!(judge(&with_id(&signer, "k"), &set.keys), Ok(()));
}

#[test]
fn certificates_give_their_keys_and_each_that_fits_is_tried() {
    let pairs =
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519];
    let pairs = pairs.map(|kind| rcgen::KeyPair::generate_for(kind).unwrap());
    let mut text = String::new();
    for pair in &pairs {
        text += &rcgen::CertificateParams::new(vec!["as.example".to_owned()])
            .unwrap()
            .self_signed(pair)
            .unwrap()
            .pem();
    }
    let set = KeySet::from_pem(text.as_bytes()).unwrap();
    assert_eq!(set.keys.len(), 3);
    for pair in &pairs[..2] {
        let key = jsonwebtoken::EncodingKey::from_ec_der(&pair.serialize_der());
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        let token =
            jsonwebtoken::encode(&header, &serde_json::from_str::<Value>(GOOD).unwrap(), &key)
                .unwrap();
        assert_eq!(judge(&token, &set.keys), Ok(()));
    }
}

#[test]
fn pem_that_cannot_be_used() {
    let signer = Signer::new("ES256");
    let good = pem("PUBLIC KEY", &signer.public_info());
    let label = |text: &str| {
        let set = KeySet::from_pem(format!("{text}{good}").as_bytes()).unwrap();
        assert_eq!((set.keys.len(), set.skipped.len()), (1, 1));
        set.skipped[0].reason.label()
    };
    assert_eq!(label(&pem("PRIVATE KEY", &signer.private_der())), "pem_block");
    assert_eq!(label(&pem("CERTIFICATE", &signer.public_info())), "der");
    assert_eq!(label(&pem("PUBLIC KEY", b"\x30\x03\x02\x01\x01")), "der");
    assert_eq!(
        label(&pem("PUBLIC KEY", &[signer.public_info().as_slice(), b"\0"].concat())),
        "der"
    );
    assert_eq!(label(&pem("RSA PUBLIC KEY", &[])), "der");
    for broken in [
        "-----BEGIN PUBLIC KEY-----\nAAAA\n",
        "-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n",
        "-----BEGIN X",
    ] {
        assert!(matches!(KeySet::from_pem(broken.as_bytes()), Err(KeySetError::Pem)), "{broken}");
    }
    assert!(matches!(KeySet::from_pem(b"no key here"), Err(KeySetError::NoUsableKey { .. })));
    assert!(matches!(
        KeySet::from_pem(good.repeat(9).as_bytes()),
        Err(KeySetError::TooManyKeys { limit: 8, .. })
    ));
}
