//! Properties for any bytes: nothing panics, and no change of a good token is accepted.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::jwt::tests::{GOOD, MAX_BYTES, Server};
use crate::jwt::{KeySet, Unverified};

static SERVERS: LazyLock<Vec<Server>> =
    LazyLock::new(|| ["RS256", "PS256", "ES256", "ES512", "EdDSA"].map(Server::new).into());

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn one_changed_byte_is_refused(server in 0..5_usize, place: prop::sample::Index, byte: u8) {
        let server = &SERVERS[server];
        let good = server.token(GOOD).into_bytes();
        let mut changed = good.clone();
        let place = place.index(changed.len());
        changed[place] = byte;
        prop_assert_eq!(server.verify(&changed).is_ok(), changed == good);
    }

    #[test]
    fn one_flipped_bit_is_refused(server in 0..5_usize, place: prop::sample::Index, bit in 0..8_u8) {
        let server = &SERVERS[server];
        let mut token = server.token(GOOD).into_bytes();
        let place = place.index(token.len());
        token[place] ^= 1 << bit;
        prop_assert!(server.verify(&token).is_err());
    }

    #[test]
    fn cut_or_swollen_tokens_are_refused(server in 0..5_usize, place: prop::sample::Index, noise in "[A-Za-z0-9_.=-]{1,8}") {
        let server = &SERVERS[server];
        let token = server.token(GOOD);
        let place = place.index(token.len());
        prop_assert!(server.verify(&token[..place]).is_err());
        let swollen = format!("{}{noise}{}", &token[..place], &token[place..]);
        prop_assert!(server.verify(swollen).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(SERVERS[0].verify(&bytes).is_err());
        let _ = KeySet::from_jwks(&bytes);
        let _ = KeySet::from_pem(&bytes);
    }

    #[test]
    fn any_signed_text_is_read_without_panic(header in json_text(), payload in json_text()) {
        let token = SERVERS[4].signer.token(&header, &payload);
        if let Ok(unverified) = Unverified::parse(token.as_bytes(), MAX_BYTES) {
            let _ = (unverified.issuer(), unverified.key_id(), unverified.algorithm_name());
        }
    }

    #[test]
    fn any_key_set_is_read_without_panic(keys in prop::collection::vec(jwk_text(), 0..6), pem in "[-A-Z a-z=+/\n]{0,200}") {
        let document = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
        if let Ok(set) = KeySet::from_jwks(document.as_bytes()) {
            prop_assert!(set.keys.len() + set.skipped.len() <= keys.len());
        }
        let _ = KeySet::from_pem(format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n").as_bytes());
    }
}

fn json_text() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        Just(r#""alg":"EdDSA""#.to_owned()),
        Just(r#""kid":"k1""#.to_owned()),
        Just(r#""iss":"a""#.to_owned()),
        Just(r#""exp":1700000600"#.to_owned()),
        (
            "(exp|nbf|aud|iss|sub|typ|crit|x)",
            "(1|-1|1e9|1.5|\"a\"|null|true|\\[\\]|\\{\\}|\\[1,\"a\"\\]|1e400|\\{\"a\":\\[\\]\\})"
        )
            .prop_map(|(name, value)| format!("\"{name}\":{value}")),
    ];
    prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn jwk_text() -> impl Strategy<Value = String> {
    let value = "(\"RSA\"|\"EC\"|\"OKP\"|\"P-256\"|\"P-521\"|\"Ed25519\"|\"AQAB\"|\"[A-Za-z0-9_-]{0,90}\"|null|1|\\[\"verify\"\\]|\\{\\})";
    let member = ("(kty|crv|n|e|x|y|kid|alg|use|key_ops)", value)
        .prop_map(|(name, value)| format!("\"{name}\":{value}"));
    prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(",")))
}
