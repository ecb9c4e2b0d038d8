//! Published examples: RFC 7515 A.2 to A.4 and RFC 8037 A.4.

use std::time::Duration;

use serde_json::{Value, json};

use crate::jwt::tests::signer::encode;
use crate::jwt::tests::{MAX_BYTES, key_set, rules};
use crate::jwt::{Rejection, Unverified};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::SignatureAlgorithm;

const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn check_claims_example(header: &str, signature: &str, key: Value) {
    let token = format!("{}.{PAYLOAD}.{signature}", encode(header.as_bytes()));
    let keys = key_set(&[key]);
    let mut rules = rules();
    rules.leeway = Duration::ZERO;
    let judge = |now| Unverified::parse(token.as_bytes(), MAX_BYTES).unwrap().verify(&keys, &rules, UnixSeconds(now));
    let claims = judge(1_300_819_379).unwrap();
    assert_eq!(claims.issuer(), "joe");
    assert_eq!(claims.expires_at(), UnixSeconds(1_300_819_380));
    assert!(claims.get("http://example.com/is_root").is_some());
    assert_eq!(judge(1_300_819_380).unwrap_err(), Rejection::Expired);
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
        json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
    );
}

/// These two sign texts that are no claims, so only the signature is checked.
#[test]
fn rfc_7515_a_4_es512() {
    let key = json!({
        "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"
    });
    let signature = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    check_signature_example(SignatureAlgorithm::ES512, "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA", signature, key);
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

fn check_signature_example(algorithm: SignatureAlgorithm, signing_input: &str, signature: &str, key: Value) {
    use base64::Engine;
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let keys = key_set(&[key]);
    assert!(keys.check(None, algorithm, signing_input.as_bytes(), &signature).is_ok());
    assert_eq!(keys.check(None, algorithm, &signing_input.as_bytes()[1..], &signature), Err(Rejection::BadSignature));
}
