//! Reads one JWK (RFC 7517, RFC 7518 6, RFC 8037 2) into a verifying key, or returns the reason
//! against it.
//!
//! It reads the public members only; `x5c`, `x5u` and unknown members are ignored. Three spellings
//! that RFC 7518 forbids are accepted, because they mean one key only and servers write them:
//! base64 padding, leading zero bytes of a number (Java's sign byte), and coordinates of a curve
//! without their leading zeros.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::jwt::algorithm::Curve;
use crate::jwt::excerpt::Excerpt;
use crate::jwt::skipped::SkipReason;
use crate::jwt::value::{JsonValue, Members};
use crate::jwt::verifying_key::{Material, VerifyingKey, without_leading_zeros};

/// The longest key id, in tokens and key sets alike.
pub(super) const MAX_KEY_ID_BYTES: usize = 1024;

/// One element of `keys`.
pub(super) fn read(key: &JsonValue) -> Result<VerifyingKey, SkipReason> {
    let members = key.as_object().ok_or(SkipReason::NotAnObject)?;
    if members.repeats_a_member() {
        return Err(SkipReason::DuplicateMember);
    }
    let id = text(members, "kid")?;
    if id.is_some_and(|id| id.len() > MAX_KEY_ID_BYTES) {
        return Err(SkipReason::KeyIdTooLong { limit: MAX_KEY_ID_BYTES });
    }
    check_purpose(members)?;
    let algorithm = text(members, "alg")?;
    match required(members, "kty")? {
        "RSA" => {
            let (modulus, exponent) = (bytes(members, "n")?, bytes(members, "e")?);
            VerifyingKey::new(
                id,
                algorithm,
                &Material::Rsa { modulus: &modulus, exponent: &exponent },
            )
        }
        "EC" => ec(members, id, algorithm),
        "OKP" => match required(members, "crv")? {
            "Ed25519" => VerifyingKey::new(
                id,
                algorithm,
                &Material::Ed25519 { point: &bytes(members, "x")? },
            ),
            other => Err(SkipReason::UnknownCurve { name: Excerpt::of(other) }),
        },
        "oct" => Err(SkipReason::Symmetric),
        other => Err(SkipReason::UnknownKeyType { name: Excerpt::of(other) }),
    }
}

/// The `kid` of an element, whatever else is wrong with it.
pub(super) fn shown_key_id(key: &JsonValue) -> Option<String> {
    key.as_object()?.get("kid")?.as_str().map(|id| Excerpt::of(id).to_string())
}

fn ec(
    members: &Members,
    id: Option<&str>,
    algorithm: Option<&str>,
) -> Result<VerifyingKey, SkipReason> {
    let name = required(members, "crv")?;
    let curve = Curve::from_name(name)
        .ok_or_else(|| SkipReason::UnknownCurve { name: Excerpt::of(name) })?;
    let length = curve.coordinate_bytes();
    let mut point = vec![4];
    for coordinate in ["x", "y"] {
        let coordinate = bytes(members, coordinate)?;
        // each number is padded by itself: a short x beside a long y would otherwise shift into
        // another point
        let number = without_leading_zeros(&coordinate);
        if coordinate.is_empty() || number.len() > length {
            return Err(SkipReason::PointLength { bytes: coordinate.len(), expected: length });
        }
        point.extend(std::iter::repeat_n(0, length.saturating_sub(number.len())));
        point.extend_from_slice(number);
    }
    VerifyingKey::new(id, algorithm, &Material::Ec { curve, point: &point })
}

/// `use` and `key_ops` (RFC 7517 4.2, 4.3): a key that is meant for something else does not verify.
fn check_purpose(members: &Members) -> Result<(), SkipReason> {
    if let Some(purpose) = text(members, "use")?
        && purpose != "sig"
    {
        return Err(SkipReason::Use { name: Excerpt::of(purpose) });
    }
    let Some(operations) = members.get("key_ops") else { return Ok(()) };
    let operations = operations.as_array().ok_or(SkipReason::WrongType { member: "key_ops" })?;
    if operations.iter().any(|operation| operation.as_str() == Some("verify")) {
        Ok(())
    } else {
        Err(SkipReason::KeyOperations)
    }
}

fn text<'m>(members: &'m Members, member: &'static str) -> Result<Option<&'m str>, SkipReason> {
    members
        .get(member)
        .map(|value| value.as_str().ok_or(SkipReason::WrongType { member }))
        .transpose()
}

fn required<'m>(members: &'m Members, member: &'static str) -> Result<&'m str, SkipReason> {
    text(members, member)?.ok_or(SkipReason::Missing { member })
}

/// Decodes a number. Padding does not change its bytes.
fn bytes(members: &Members, member: &'static str) -> Result<Vec<u8>, SkipReason> {
    PADDED_OR_NOT.decode(required(members, member)?).map_err(|_| SkipReason::Base64 { member })
}

/// base64url as in RFC 7515, and with the padding that some servers add. Unused bits must be zero.
const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
