//! The keys of one key manager, and which of them a token's signature is checked with.
//!
//! A key set that exists has at least one usable key. It knows nothing of where documents come from
//! or how old they are.

use aws_lc_rs::digest;
use x509_parser::pem::Pem;

use crate::jwt::excerpt::Excerpt;
use crate::jwt::json::{self, JsonFault};
use crate::jwt::rejection::Rejection;
use crate::jwt::skipped::{SkipReason, SkippedKey};
use crate::jwt::verifying_key::{KeyIdentity, VerifyingKey, finished};
use crate::jwt::{jwk, pem};
use crate::model::key_manager::SignatureAlgorithm;

/// Usable keys, each parsed once. Never empty.
pub struct KeySet {
    keys: Box<[VerifyingKey]>,
    choice: KeyChoice,
    fingerprint: [u8; 32],
}

/// The meaning of a token's `kid` in a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyChoice {
    /// A JWKS: exactly one key of that id may fit.
    ById,
    /// PEM has no ids, so each key that fits the algorithm is tried.
    Any,
}

/// A document's usable keys, and the keys that were left out.
#[derive(Debug)]
pub struct ParsedKeySet {
    pub keys: KeySet,
    pub skipped: Vec<SkippedKey>,
}

/// The reason why a document has no key set at all.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    #[error("the document cannot be read: {0}")]
    Json(#[source] JsonFault),
    #[error("the document is not a key set: it has no array `keys`")]
    NotAKeySet,
    #[error("the document has {count} keys; at most {limit} are accepted")]
    TooManyKeys { count: usize, limit: usize },
    #[error("the PEM text is broken: a block without its end, or not base64")]
    Pem,
    #[error("no usable key; {} unusable: {}", skipped.len(), first_reason(skipped))]
    NoUsableKey { skipped: Vec<SkippedKey> },
}

impl KeySet {
    /// Reads a JWKS (RFC 7517 5), each key by itself.
    pub fn from_jwks(document: &[u8]) -> Result<ParsedKeySet, KeySetError> {
        // a parser may ignore it (RFC 8259 section 8.1)
        let document = document.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(document);
        let document = json::read_object(document).map_err(KeySetError::Json)?;
        if document.repeats_a_name() {
            return Err(KeySetError::Json(JsonFault::DuplicateMember));
        }
        let elements =
            document.get("keys").and_then(|keys| keys.as_array()).ok_or(KeySetError::NotAKeySet)?;
        check_count(elements.len(), MAX_JWKS_KEYS)?;
        let keys = elements.iter().map(|element| {
            jwk::read(element).map_err(|reason| (jwk::shown_key_id(element), reason))
        });
        Self::gather(keys, KeyChoice::ById)
    }

    /// Reads certificates and public keys in PEM, one or more.
    pub fn from_pem(content: &[u8]) -> Result<ParsedKeySet, KeySetError> {
        // one more than allowed is enough to know that there are too many
        let blocks: Result<Vec<Pem>, _> =
            Pem::iter_from_buffer(content).take(MAX_PEM_KEYS + 1).collect();
        let blocks = blocks.map_err(|_| KeySetError::Pem)?;
        check_count(blocks.len(), MAX_PEM_KEYS)?;
        Self::gather(
            blocks.iter().map(|block| pem::read(block).map_err(|reason| (None, reason))),
            KeyChoice::Any,
        )
    }

    fn gather(
        read: impl Iterator<Item = Result<VerifyingKey, (Option<String>, SkipReason)>>,
        choice: KeyChoice,
    ) -> Result<ParsedKeySet, KeySetError> {
        let mut keys: Vec<VerifyingKey> = Vec::new();
        let mut skipped = Vec::new();
        for (position, key) in read.enumerate() {
            match key {
                Ok(key) if keys.iter().any(|other| other.identity() == key.identity()) => {}
                Ok(key) => keys.push(key),
                Err((key_id, reason)) => skipped.push(SkippedKey { position, key_id, reason }),
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey { skipped });
        }
        let fingerprint = fingerprint(&keys, choice);
        Ok(ParsedKeySet {
            keys: Self { keys: keys.into_boxed_slice(), choice, fingerprint },
            skipped,
        })
    }

    #[allow(clippy::len_without_is_empty, reason = "a key set is never empty")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns a fingerprint that is equal for the same usable keys in any order.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(VerifyingKey::id)
    }

    /// Returns the keys, each with its id if it has one.
    pub fn identities(&self) -> impl Iterator<Item = (&KeyIdentity, Option<&str>)> {
        self.keys.iter().map(|key| (key.identity(), key.id()))
    }

    /// Tells whether the key that signed a token is still here, with the same id and algorithms.
    pub fn contains(&self, key: &KeyIdentity) -> bool {
        self.keys.iter().any(|own| own.identity() == key)
    }

    /// Checks the signature with the key that the token names, and returns that key.
    pub(super) fn check(
        &self,
        key_id: Option<&str>,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<KeyIdentity, Rejection> {
        let by_id = (self.choice == KeyChoice::ById).then_some(key_id).flatten();
        let meant = || self.keys.iter().filter(|key| by_id.is_none() || key.id() == by_id);
        let mut fitting = meant().filter_map(|key| key.verifier(algorithm));
        let Some(first) = fitting.next() else {
            return Err(match meant().next() {
                Some(_) if by_id.is_some() => Rejection::KeyAlgorithm { algorithm },
                _ => Rejection::UnknownKey { key_id: key_id.map(Excerpt::of) },
            });
        };
        let accepted = match self.choice {
            KeyChoice::ById if fitting.any(|other| !other.is_same_key(&first)) => {
                return Err(Rejection::AmbiguousKey);
            }
            KeyChoice::ById => first.accepts(message, signature).then_some(first),
            KeyChoice::Any => {
                std::iter::once(first).chain(fitting).find(|key| key.accepts(message, signature))
            }
        };
        accepted.map(|key| *key.identity()).ok_or(Rejection::BadSignature)
    }
}

/// Key ids are shown to operators elsewhere, made printable; here the number of keys is enough.
impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet")
            .field("keys", &self.keys.len())
            .field("choice", &self.choice)
            .finish_non_exhaustive()
    }
}

fn check_count(count: usize, limit: usize) -> Result<(), KeySetError> {
    if count > limit { Err(KeySetError::TooManyKeys { count, limit }) } else { Ok(()) }
}

fn first_reason(skipped: &[SkippedKey]) -> String {
    skipped.first().map_or_else(|| "the document is empty".to_owned(), |key| key.reason.to_string())
}

fn fingerprint(keys: &[VerifyingKey], choice: KeyChoice) -> [u8; 32] {
    let mut identities: Vec<&KeyIdentity> = keys.iter().map(VerifyingKey::identity).collect();
    identities.sort_unstable();
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[u8::from(choice == KeyChoice::Any)]);
    for identity in identities {
        context.update(identity);
    }
    finished(context)
}

/// A large tenant publishes some ten.
const MAX_JWKS_KEYS: usize = 100;

/// The most keys of a PEM file, since each token may have to be tried with each key.
const MAX_PEM_KEYS: usize = 8;
