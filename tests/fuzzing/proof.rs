//! What holds for every DPoP proof: it is good exactly for one method, address, token and minute, and only the public half
//! of the key that signed it proves anything.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jwt::dpop::{self, DpopProof, Proved};
use portcullis::model::clock::UnixSeconds;
use serde_json::Value;

use crate::tree::{is_over_limit, repeats};

pub(crate) fn check(bytes: &[u8]) {
    whole(bytes);
    payload(bytes);
    key(bytes);
}

/// As a proof: of all, only the published one is good, whoever wrote the key into it.
fn whole(bytes: &[u8]) {
    let about = Proved {
        method: "GET",
        authority: "resource.example.org",
        paths: ["/protectedresource"; 2],
        prefix: "",
        token: PUBLISHED_FOR,
        ..ABOUT
    };
    match dpop::check(bytes, &about, UnixSeconds(1_562_262_618)) {
        // the negative of `s` is a signature too: that is a property of ECDSA
        Ok(_) => assert_eq!(signed(bytes), signed(PUBLISHED), "nobody signed this"),
        Err(fault) => assert_ne!(bytes, PUBLISHED, "a genuine proof is refused: {fault}"),
    }
}

fn signed(proof: &[u8]) -> Option<&[u8]> {
    proof.get(..proof.iter().rposition(|byte| *byte == b'.')?)
}

/// As the payload under a good signature.
fn payload(bytes: &[u8]) {
    let header = format!(
        r#"{{"typ":"dpop+jwt","alg":"EdDSA","jwk":{{"kty":"OKP","crv":"Ed25519","x":"{}"}}}}"#,
        *POINT
    );
    let outcome = dpop::check(seal(header.as_bytes(), bytes).as_bytes(), &ABOUT, NOW);
    let claims = readable(bytes);
    assert_eq!(outcome.is_ok(), claims.as_ref().is_some_and(is_about_this), "{outcome:?}");
    if let (Ok(DpopProof { thumbprint, id, nonce }), Some(claims)) = (outcome, claims) {
        assert_eq!(thumbprint, *THUMBPRINT);
        assert_eq!(
            (Some(&*id), nonce.as_deref()),
            (claims["jti"].as_str(), claims["nonce"].as_str())
        );
    }
}

/// By other means than the check itself.
fn is_about_this(claims: &Value) -> bool {
    let token = URL_SAFE_NO_PAD.encode(digest(&SHA256, ABOUT.token));
    let iat =
        claims["iat"].as_f64().is_some_and(|at| (1_699_999_940.0..1_700_000_031.0).contains(&at));
    let id = claims["jti"].as_str().is_some_and(|id| (1..=256).contains(&id.len()));
    let nonce = claims.get("nonce").is_none_or(Value::is_string);
    claims["htm"] == "POST"
        && claims["htu"].as_str().is_some_and(is_the_address)
        && claims["ath"] == *token
        && iat
        && id
        && nonce
}

fn is_the_address(htu: &str) -> bool {
    let end = htu.find(['?', '#']).unwrap_or(htu.len());
    let Some((scheme, rest)) = htu.get(..end).and_then(|address| address.split_once("://")) else {
        return false;
    };
    let Some((authority, path)) = rest.split_once('/') else { return false };
    let authority = authority.to_ascii_lowercase();
    scheme.eq_ignore_ascii_case("https")
        && ["api.example", "api.example:443"].contains(&&*authority)
        && ["orders/%31", "orders/1"].contains(&path)
}

/// As the key in the header, signed by the key that it should be.
fn key(bytes: &[u8]) {
    let mut header = br#"{"typ":"dpop+jwt","alg":"EdDSA","jwk":"#.to_vec();
    header.extend_from_slice(bytes);
    header.push(b'}');
    let outcome = dpop::check(seal(&header, GOOD_PAYLOAD.as_bytes()).as_bytes(), &ABOUT, NOW);
    let proves = readable(&header).is_some_and(|header| {
        let bare = header.get("crit").is_none() && header.get("b64").is_none();
        header["typ"] == "dpop+jwt"
            && (header["alg"] == "EdDSA" || header["alg"] == "Ed25519")
            && bare
            && is_our_public_key(&header["jwk"])
    });
    assert_eq!(outcome.is_ok(), proves, "{outcome:?}");
    assert!(outcome.is_err() || outcome.is_ok_and(|proof| proof.thumbprint == *THUMBPRINT));
}

fn is_our_public_key(key: &Value) -> bool {
    let absent_or = |name: &str, holds: &dyn Fn(&Value) -> bool| key.get(name).is_none_or(holds);
    key["kty"] == "OKP"
        && key["crv"] == "Ed25519"
        && key["x"] == **POINT
        && ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
            .iter()
            .all(|private| key.get(private).is_none())
        && absent_or("kid", &|id| id.as_str().is_some_and(|id| id.len() <= 1024))
        && absent_or("alg", &|name| name == "EdDSA" || name == "Ed25519")
        && absent_or("use", &|purpose| purpose == "sig")
        && absent_or("key_ops", &|all| {
            all.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
        })
}

fn readable(text: &[u8]) -> Option<Value> {
    let tree = serde_json::from_slice::<Value>(text).ok().filter(Value::is_object)?;
    (repeats(text) == Some(false) && !is_over_limit(&tree)).then_some(tree)
}

fn seal(header: &[u8], payload: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(PAIR.sign(input.as_bytes())))
}

/// Any key will do, as long as each run has the same.
static PAIR: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"));
static POINT: LazyLock<String> = LazyLock::new(|| URL_SAFE_NO_PAD.encode(PAIR.public_key()));
static THUMBPRINT: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, *POINT);
    digest(&SHA256, canonical.as_bytes()).as_ref().try_into().expect("32 bytes")
});

const ABOUT: Proved<'static> = Proved {
    method: "POST",
    scheme: "https",
    authority: "api.example",
    paths: ["/orders/%31", "/orders/1"],
    prefix: "",
    token: b"a.b.c",
};
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const GOOD_PAYLOAD: &str = include_str!("../../fuzz/corpus/proof/payload");

/// RFC 9449 section 7.1.
const PUBLISHED: &[u8] = include_bytes!("../../fuzz/corpus/proof/published");
const PUBLISHED_FOR: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
