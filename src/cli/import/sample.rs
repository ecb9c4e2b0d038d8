//! Reads a sample token: its form, and its claims before they are verified. Reading is more lenient
//! than in the gateway, so that the command can name the fault. The gateway's own judgment is
//! [`SignedSample::verify`].

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::cli::token_file;
use crate::jwt::{KeySet, Rejection, Unverified, WrongType};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{IdTokens, KeyManagerType, SignatureAlgorithm, TokenRules};

/// The token that was given.
#[derive(Debug)]
pub(super) enum TokenSample {
    /// Not a JWT: a reference that only its server can resolve.
    Opaque(Text),
    /// A token of five parts.
    Encrypted(Text),
    /// A token that looks like a JWT, but this part of it cannot be read.
    Broken(&'static str, Text),
    Signed(Box<SignedSample>),
}

/// A token as it was pasted; it is never shown.
pub(super) struct Text(String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text")
    }
}

/// A token of three parts that could be read.
pub(super) struct SignedSample {
    text: String,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl TokenSample {
    /// Reads a token as it was pasted.
    pub(super) fn read(text: &str) -> Self {
        let token = token_file::bare(text);
        let text = || Text(token.to_owned());
        let parts: Vec<&str> = token.split('.').collect();
        match parts.as_slice() {
            [header, ..]
                if parts.len() == 5
                    && object(header).is_some_and(|header| header.contains_key("enc")) =>
            {
                Self::Encrypted(text())
            }
            [header, payload, _] => match (object(header), object(payload)) {
                (Some(header), Some(claims)) => {
                    Self::Signed(Box::new(SignedSample { text: token.to_owned(), header, claims }))
                }
                (Some(_), None) => Self::Broken("payload", text()),
                // opaque tokens can contain dots too
                (None, _) if token.starts_with("eyJ") => Self::Broken("header", text()),
                (None, _) => Self::Opaque(text()),
            },
            [header, ..] if object(header).is_some_and(|header| header.contains_key("alg")) => {
                Self::Broken("number of parts", text())
            }
            _ => Self::Opaque(text()),
        }
    }

    /// Returns the token itself, for its server.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Opaque(text) | Self::Encrypted(text) | Self::Broken(_, text) => &text.0,
            Self::Signed(token) => &token.text,
        }
    }
}

impl SignedSample {
    /// Verifies the token as the gateway would with these keys, without rules of the operator's.
    pub(super) fn verify(
        &self,
        keys: &KeySet,
        kind: KeyManagerType,
        now: UnixSeconds,
    ) -> Result<(), Rejection> {
        let rules = rules(kind);
        Unverified::parse(self.text.as_bytes(), MAX_TOKEN_BYTES)?
            .verify(keys, &rules, now)
            .map(|_| ())
    }

    /// Returns the gateway's judgment on the kind of token.
    pub(super) fn wrong_type(&self, kind: KeyManagerType) -> Option<WrongType> {
        let token = Unverified::parse(self.text.as_bytes(), MAX_TOKEN_BYTES).ok()?;
        token.wrong_type(&rules(kind))
    }

    /// Returns the value by which a member names the kind, if it is a plain word.
    pub(super) fn kind_word(&self, member: &str) -> Option<&str> {
        let is_plain = |word: &&str| {
            word.len() <= 64
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+-_./:".contains(&byte))
        };
        self.text(member).or_else(|| self.header(member)).filter(is_plain)
    }

    /// Returns a header member that is a string.
    pub(super) fn header(&self, member: &str) -> Option<&str> {
        self.header.get(member).and_then(Value::as_str)
    }

    pub(super) fn has_header(&self, member: &str) -> bool {
        self.header.contains_key(member)
    }

    pub(super) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub(super) fn has(&self, claim: &str) -> bool {
        self.claims.contains_key(claim)
    }

    /// Returns a claim that is a string.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// Returns a claim that is a time.
    pub(super) fn seconds(&self, claim: &str) -> Option<u64> {
        self.claims.get(claim).and_then(Value::as_u64)
    }

    pub(super) fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(audience)) => vec![audience],
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Shows no part of the token.
impl std::fmt::Debug for SignedSample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signed").field("claims", &self.claims.len()).finish_non_exhaustive()
    }
}

/// Returns the gateway's default rules for this type.
pub(super) fn rules(kind: KeyManagerType) -> TokenRules {
    TokenRules {
        algorithms: SignatureAlgorithm::ALL.to_vec(),
        token_types: kind.default_token_types().iter().map(|&name| name.to_owned()).collect(),
        id_tokens: IdTokens::Refuse,
        audiences: Vec::new(),
        leeway: LEEWAY,
        observe: false,
        max_lifetime: None,
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The gateway's defaults of `leeway` and `max_token_bytes`.
const LEEWAY: std::time::Duration = std::time::Duration::from_secs(30);
const MAX_TOKEN_BYTES: usize = 16 * 1024;
