//! What holds for every token: only what one of our keys signed is believed, in the one spelling in which it was signed.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::jwt::{KeySet, Rejection, Unverified};
use portcullis::model::clock::UnixSeconds;
use portcullis::model::key_manager::{IdTokens, SignatureAlgorithm, TokenRules};

pub(crate) fn check(bytes: &[u8]) {
    let genuine = GENUINE.iter().find(|genuine| *genuine == &bytes);
    match judge(bytes) {
        Ok(()) => {
            assert!(
                genuine.is_some() || is_another_signature_of_es256(bytes),
                "nobody signed this"
            );
        }
        Err(rejection) => {
            assert!(genuine.is_none(), "a genuine token is refused: {rejection}");
            let message = rejection.to_string();
            assert!(
                message.chars().all(|shown| !shown.is_control()) && message.chars().count() < 200,
                "{message:?}"
            );
        }
    }
}

fn judge(token: &[u8]) -> Result<(), Rejection> {
    let unverified = Unverified::parse(token, MAX_BYTES)?;
    assert!(token.len() <= MAX_BYTES);
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    assert_eq!(parts.len(), 3, "not three parts");
    for part in parts {
        let decoded = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        assert_eq!(URL_SAFE_NO_PAD.encode(decoded).as_bytes(), part, "a part has another spelling");
    }
    assert_eq!(
        Unverified::parse(token, token.len() - 1).err(),
        Some(Rejection::TooLarge { bytes: token.len(), limit: token.len() - 1 })
    );
    let claims = unverified.verify(&KEYS, &RULES, NOW)?;
    assert!(KEYS.contains(claims.signed_by()));
    assert_eq!(claims.issuer(), "https://as.example");
    Ok(())
}

/// The negative of `s` is a signature too, for anyone: that is a property of ECDSA. What was signed stays the same.
fn is_another_signature_of_es256(token: &[u8]) -> bool {
    let signed = |token: &[u8]| {
        token
            .iter()
            .rposition(|byte| *byte == b'.')
            .and_then(|end| token.get(..end).map(<[u8]>::to_vec))
    };
    signed(token) == signed(GENUINE_ES256)
}

/// One token of each kind of key, good for all time that is reckoned with here.
const GENUINE: &[&[u8]] = &[
    include_bytes!("../../fuzz/corpus/compact/genuine-rs256"),
    include_bytes!("../../fuzz/corpus/compact/genuine-ps256"),
    include_bytes!("../../fuzz/corpus/compact/genuine-eddsa"),
    GENUINE_ES256,
];
const GENUINE_ES256: &[u8] = include_bytes!("../../fuzz/corpus/compact/genuine-es256");

/// The public halves; the private ones were thrown away after signing.
const KEY_SET: &[u8] = include_bytes!("../../fuzz/corpus/key_set/of-the-token-targets");

static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::from_jwks(KEY_SET).expect("a key set").keys);

static RULES: LazyLock<TokenRules> = LazyLock::new(|| TokenRules {
    algorithms: SignatureAlgorithm::ALL.to_vec(),
    token_types: Vec::new(),
    id_tokens: IdTokens::Refuse,
    audiences: Vec::new(),
    leeway: Duration::from_secs(30),
    observe: false,
    max_lifetime: None,
});

const MAX_BYTES: usize = 4096;
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
