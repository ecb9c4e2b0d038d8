//! One public key, parsed once, with the algorithms that it can verify. It decides whether numbers
//! form a key that is safe to use. It never chooses among keys.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};

use crate::jwt::algorithm::{Curve, RSA_ALGORITHMS};
use crate::jwt::excerpt::Excerpt;
use crate::jwt::roca;
use crate::jwt::skipped::SkipReason;
use crate::model::key_manager::SignatureAlgorithm;

/// The identity of a key: a digest of its id, its algorithms and its public numbers.
pub type KeyIdentity = [u8; 32];

/// The public numbers of a key, from whatever document.
pub(super) enum Material<'k> {
    /// Big-endian numbers; leading zeros are allowed and dropped.
    Rsa {
        modulus: &'k [u8],
        exponent: &'k [u8],
    },
    /// An uncompressed point: 4, x, y.
    Ec {
        curve: Curve,
        point: &'k [u8],
    },
    Ed25519 {
        point: &'k [u8],
    },
}

pub(super) struct VerifyingKey {
    id: Option<Box<str>>,
    identity: KeyIdentity,
    /// The length of a signature, which is the same for all of one key.
    signature_bytes: usize,
    /// One entry for each algorithm. An RSA key whose document names no algorithm has several,
    /// which differ in digest and padding.
    verifiers: Box<[(SignatureAlgorithm, ParsedPublicKey)]>,
}

impl VerifyingKey {
    /// `algorithm` is the one that the key's document names, if it names one.
    pub(super) fn new(
        id: Option<&str>,
        algorithm: Option<&str>,
        material: &Material<'_>,
    ) -> Result<Self, SkipReason> {
        let (signature_bytes, verifiers) = match material {
            Material::Rsa { modulus, exponent } => {
                rsa(without_leading_zeros(modulus), without_leading_zeros(exponent), algorithm)?
            }
            Material::Ec { curve, point } => ec(*curve, point, algorithm)?,
            Material::Ed25519 { point } => ed25519(point, algorithm)?,
        };
        Ok(Self {
            identity: identity(id, &verifiers),
            id: id.map(Into::into),
            signature_bytes,
            verifiers: verifiers.into_boxed_slice(),
        })
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(super) fn identity(&self) -> &KeyIdentity {
        &self.identity
    }

    /// The key as a verifier of this algorithm, if it may verify it.
    pub(super) fn verifier(&self, algorithm: SignatureAlgorithm) -> Option<Verifier<'_>> {
        let (_, parsed) = self.verifiers.iter().find(|(own, _)| *own == algorithm)?;
        Some(Verifier { parsed, signature_bytes: self.signature_bytes, identity: &self.identity })
    }
}

/// A key for one algorithm.
pub(super) struct Verifier<'k> {
    parsed: &'k ParsedPublicKey,
    signature_bytes: usize,
    identity: &'k KeyIdentity,
}

impl<'k> Verifier<'k> {
    pub(super) fn identity(&self) -> &'k KeyIdentity {
        self.identity
    }

    /// Tells whether both are the same public numbers, under whatever ids.
    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        self.parsed.as_ref() == other.parsed.as_ref()
    }

    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_bytes
            && self.parsed.verify_sig(message, signature).is_ok()
    }
}

type Verifiers = Vec<(SignatureAlgorithm, ParsedPublicKey)>;

fn rsa(
    modulus: &[u8],
    exponent: &[u8],
    algorithm: Option<&str>,
) -> Result<(usize, Verifiers), SkipReason> {
    let bits = modulus.len().saturating_mul(8)
        - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(SkipReason::RsaSize { bits, min: MIN_RSA_BITS, max: MAX_RSA_BITS });
    }
    if is_even(modulus) {
        return Err(SkipReason::RsaModulus);
    }
    if is_even(exponent) || exponent == [1] || exponent.len() > MAX_RSA_EXPONENT_BYTES {
        return Err(SkipReason::RsaExponent);
    }
    if roca::is_marked(modulus) {
        return Err(SkipReason::RsaRoca);
    }
    let components = RsaPublicKeyComponents { n: modulus, e: exponent };
    let mut verifiers = Vec::new();
    for (own, parameters) in RSA_ALGORITHMS {
        if algorithm.is_none_or(|name| SignatureAlgorithm::from_name(name) == Some(own)) {
            verifiers.push((
                own,
                components.to_parsed_public_key(parameters).map_err(|_| SkipReason::Rejected)?,
            ));
        }
    }
    match algorithm {
        Some(name) if verifiers.is_empty() => {
            Err(SkipReason::Algorithm { name: Excerpt::of(name) })
        }
        _ => Ok((modulus.len(), verifiers)),
    }
}

fn ec(
    curve: Curve,
    point: &[u8],
    algorithm: Option<&str>,
) -> Result<(usize, Verifiers), SkipReason> {
    check_algorithm(algorithm, curve.algorithm())?;
    let expected = 1 + 2 * curve.coordinate_bytes();
    if point.len() != expected || point.first() != Some(&UNCOMPRESSED) {
        return Err(SkipReason::PointLength { bytes: point.len(), expected });
    }
    let parsed =
        ParsedPublicKey::new(curve.verification(), point).map_err(|_| SkipReason::Rejected)?;
    Ok((2 * curve.coordinate_bytes(), vec![(curve.algorithm(), parsed)]))
}

fn ed25519(point: &[u8], algorithm: Option<&str>) -> Result<(usize, Verifiers), SkipReason> {
    check_algorithm(algorithm, SignatureAlgorithm::EdDSA)?;
    let expected = signature::ED25519_PUBLIC_KEY_LEN;
    if point.len() != expected {
        return Err(SkipReason::PointLength { bytes: point.len(), expected });
    }
    let parsed =
        ParsedPublicKey::new(&signature::ED25519, point).map_err(|_| SkipReason::Rejected)?;
    Ok((ED25519_SIGNATURE_BYTES, vec![(SignatureAlgorithm::EdDSA, parsed)]))
}

fn check_algorithm(said: Option<&str>, own: SignatureAlgorithm) -> Result<(), SkipReason> {
    match said {
        Some(name) if SignatureAlgorithm::from_name(name) != Some(own) => {
            Err(SkipReason::Algorithm { name: Excerpt::of(name) })
        }
        _ => Ok(()),
    }
}

pub(super) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Tells whether a number is even. An empty one is zero, hence even.
fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|byte| byte % 2 == 0)
}

/// Writes each part with its length before it, so that no two keys give the same input.
fn identity(id: Option<&str>, verifiers: &[(SignatureAlgorithm, ParsedPublicKey)]) -> KeyIdentity {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    part(if id.is_some() { b"id" } else { b"" });
    part(id.unwrap_or_default().as_bytes());
    for (algorithm, parsed) in verifiers {
        part(algorithm.name().as_bytes());
        part(parsed.as_ref());
    }
    finished(context)
}

/// Finishes a SHA-256, whose 32 bytes are copied.
pub(super) fn finished(context: digest::Context) -> KeyIdentity {
    let mut identity = KeyIdentity::default();
    for (to, from) in identity.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    identity
}

const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;
/// The longest accepted exponent. The usual 65537 has 3 bytes; a long exponent makes each
/// verification slow.
const MAX_RSA_EXPONENT_BYTES: usize = 4;
const ED25519_SIGNATURE_BYTES: usize = 64;
const UNCOMPRESSED: u8 = 4;
