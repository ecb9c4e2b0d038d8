//! Published examples of all supported algorithms, and of unsupported ones: RFC 7515 appendix A,
//! RFC 7517 appendix A, the names of RFC 7518 section 3.1, RFC 7638 section 3.1, RFC 8037 appendix
//! A and RFC 9449.

use std::time::Duration;

use serde_json::{Value, json};

use crate::jwt::dpop::{self, DpopProof, ProofFault, Proved};
use crate::jwt::tests::signer::{encode, key_set_of};
use crate::jwt::tests::{MAX_BYTES, key_set, rules};
use crate::jwt::{KeySet, KeySetError, MalformedToken, Rejection, Unverified, json};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::SignatureAlgorithm;

const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn check_claims_example(header: &str, signature: &str, key: Value) {
    let token = format!("{}.{PAYLOAD}.{signature}", encode(header.as_bytes()));
    let keys = key_set(&[key]);
    let mut rules = rules();
    rules.leeway = Duration::ZERO;
    let judge = |now| {
        Unverified::parse(token.as_bytes(), MAX_BYTES).unwrap().verify(
            &keys,
            &rules,
            UnixSeconds(now),
        )
    };
    let claims = judge(1_300_819_379).unwrap();
    assert_eq!(claims.issuer(), "joe");
    assert_eq!(claims.expires_at(), UnixSeconds(1_300_819_380));
    assert!(claims.get("http://example.com/is_root").is_some());
    assert_eq!(judge(1_300_819_380).unwrap_err(), Rejection::Expired { seconds: 0 });
}

#[test]
fn rfc_7515_a_2_rs256() {
    check_claims_example(
        r#"{"alg":"RS256"}"#,
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}),
    );
}

#[test]
fn rfc_7515_a_3_es256() {
    check_claims_example(
        r#"{"alg":"ES256"}"#,
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        es256_key(),
    );
}

/// The payloads of these two are no claims, so only the signature is checked.
#[test]
fn rfc_7515_a_4_es512() {
    let key = json!({
        "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"
    });
    let signature = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    check_signature_example(
        SignatureAlgorithm::ES512,
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA",
        signature,
        key,
    );
}

#[test]
fn rfc_8037_a_4_ed25519() {
    check_signature_example(
        SignatureAlgorithm::EdDSA,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
    );
}

fn check_signature_example(
    algorithm: SignatureAlgorithm,
    signing_input: &str,
    signature: &str,
    key: Value,
) {
    use base64::Engine;
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let keys = key_set(&[key]);
    assert!(keys.check(None, algorithm, signing_input.as_bytes(), &signature).is_ok());
    assert_eq!(
        keys.check(None, algorithm, &signing_input.as_bytes()[1..], &signature),
        Err(Rejection::BadSignature)
    );
}

const SYMMETRIC: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

/// A symmetric signature, no signature, and the two JSON forms are no access tokens here.
#[test]
fn rfc_7515_a_1_a_5_and_a_6_are_refused() {
    let keys = key_set_of(&[json!({"kty": "oct", "k": SYMMETRIC})]);
    assert!(matches!(KeySet::from_jwks(&keys), Err(KeySetError::NoUsableKey { .. })));
    let es256 = key_set(&[es256_key()]);
    let signed = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    for token in [
        format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}.{signed}"),
        format!("eyJhbGciOiJub25lIn0.{PAYLOAD}."),
    ] {
        let rejection = Unverified::parse(token.as_bytes(), MAX_BYTES).unwrap().verify(
            &es256,
            &rules(),
            UnixSeconds(1_300_819_379),
        );
        assert!(matches!(rejection.unwrap_err(), Rejection::Algorithm { .. }), "{token}");
    }
    let signature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let one = json!({"protected": "eyJhbGciOiJFUzI1NiJ9", "header": {"kid": "e9bc097a-ce51-4036-9562-d2ade882db0d"}, "signature": signature});
    let mut flattened = one.clone();
    flattened["payload"] = json!(PAYLOAD);
    for written in [json!({"payload": PAYLOAD, "signatures": [one]}), flattened] {
        let rejection = Unverified::parse(written.to_string().as_bytes(), MAX_BYTES).unwrap_err();
        assert_eq!(rejection, Rejection::Malformed(MalformedToken::Parts));
    }
}

fn es256_key() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

const EXAMPLE_MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

/// A.1 has a key for encryption beside one for RS256, A.3 has two symmetric keys.
#[test]
fn rfc_7517_a() {
    let public = json!({"keys": [
        {"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "use": "enc", "kid": "1"},
        {"kty": "RSA", "n": EXAMPLE_MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"},
    ]});
    let parsed = KeySet::from_jwks(public.to_string().as_bytes()).unwrap();
    assert_eq!(parsed.keys.key_ids().collect::<Vec<_>>(), ["2011-04-29"]);
    let skipped: Vec<_> =
        parsed.skipped.iter().map(|key| (key.position, key.reason.label())).collect();
    assert_eq!(skipped, [(0, "use")]);
    let symmetric = json!({"keys": [
        {"kty": "oct", "alg": "A128KW", "k": "GawgguFyGrWKav7AX4VKUg"},
        {"kty": "oct", "k": SYMMETRIC, "kid": "HMAC key used in JWS spec Appendix A.1 example"},
    ]});
    let Err(KeySetError::NoUsableKey { skipped }) =
        KeySet::from_jwks(symmetric.to_string().as_bytes())
    else {
        panic!("a key set")
    };
    assert!(skipped.iter().all(|key| key.reason.label() == "symmetric") && skipped.len() == 2);
}

/// All algorithms that the table requires or recommends, except symmetric ones and `none`.
#[test]
fn rfc_7518_3_1() {
    for name in ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"] {
        assert_eq!(SignatureAlgorithm::from_name(name).map(SignatureAlgorithm::name), Some(name));
    }
    for name in ["HS256", "HS384", "HS512", "none"] {
        assert_eq!(SignatureAlgorithm::from_name(name), None, "{name}");
    }
}

#[test]
fn rfc_7638_3_1_and_rfc_8037_a_3() {
    let rsa = json!({"kty": "RSA", "n": EXAMPLE_MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    let ed25519 =
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    for (key, wanted) in [
        (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ed25519.clone(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ] {
        let members = json::read_object(key.to_string().as_bytes()).unwrap();
        assert_eq!(encode(&dpop::thumbprint(&members).unwrap()), wanted);
    }
    // RFC 8037 A.1: a document may hold the private half too
    let mut private = ed25519;
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    assert_eq!(
        dpop::thumbprint(&json::read_object(private.to_string().as_bytes()).unwrap()),
        Err(ProofFault::Key)
    );
}

const PROOF_HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";

/// The proof of section 7.1 for its token, and that of section 4.1, which was made for no token.
#[test]
fn rfc_9449() {
    let shown = "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    let about = Proved {
        method: "GET",
        scheme: "https",
        authority: "resource.example.org",
        paths: ["/protectedresource", "/protectedresource"],
        prefix: "",
        token: b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
    };
    let check = |about: &Proved<'_>, now| {
        dpop::check(format!("{PROOF_HEADER}.{shown}").as_bytes(), about, UnixSeconds(now))
    };
    let DpopProof { thumbprint, id, nonce } = check(&about, 1_562_262_618).unwrap();
    assert_eq!(
        encode(&thumbprint),
        "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
        "the jkt of section 6.1"
    );
    assert_eq!((&*id, nonce), ("e1j3V_bKic8-LAEB", None));
    assert_eq!(check(&about, 1_562_262_679), Err(ProofFault::Time));
    assert_eq!(check(&Proved { method: "POST", ..about }, 1_562_262_618), Err(ProofFault::Method));
    assert_eq!(
        check(&Proved { token: b"another", ..about }, 1_562_262_618),
        Err(ProofFault::Token)
    );
    assert_eq!(
        check(&Proved { authority: "resource.example.com", ..about }, 1_562_262_618),
        Err(ProofFault::Address)
    );
    let for_the_token_endpoint = "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    let about = Proved {
        method: "POST",
        authority: "server.example.com",
        paths: ["/token", "/token"],
        ..about
    };
    let refused = dpop::check(
        format!("{PROOF_HEADER}.{for_the_token_endpoint}").as_bytes(),
        &about,
        UnixSeconds(1_562_262_616),
    );
    assert_eq!(refused, Err(ProofFault::Claim("ath")));
}
