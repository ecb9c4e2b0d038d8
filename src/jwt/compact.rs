//! The compact serialization (RFC 7515 7.1): exactly three parts of base64url in their only
//! spelling. It judges the form and decodes; it does not interpret the parts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::{memchr, memchr_iter, memrchr};

use crate::jwt::rejection::{MalformedToken, Part, Rejection};

/// The parts of a token, decoded, and the bytes that were signed.
pub(super) struct Compact<'t> {
    pub(super) signing_input: &'t [u8],
    pub(super) header: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// Looks at the size before anything else.
pub(super) fn split(token: &[u8], max_bytes: usize) -> Result<Compact<'_>, Rejection> {
    if token.len() > max_bytes {
        return Err(Rejection::TooLarge { bytes: token.len(), limit: max_bytes });
    }
    let [header, payload, signature] = parts(token).map_err(Rejection::Malformed)?;
    let signed_bytes = header.len() + 1 + payload.len();
    Ok(Compact {
        signing_input: token.get(..signed_bytes).unwrap_or_default(),
        header: decode(header, Part::Header)?,
        payload: decode(payload, Part::Payload)?,
        signature: decode(signature, Part::Signature)?,
    })
}

fn parts(token: &[u8]) -> Result<[&[u8]; 3], MalformedToken> {
    let (first, last) =
        memchr(b'.', token).zip(memrchr(b'.', token)).ok_or(MalformedToken::Parts)?;
    let header = token.get(..first).ok_or(MalformedToken::Parts)?;
    // fails for a single dot
    let payload = token.get(first + 1..last).ok_or(MalformedToken::Parts)?;
    let signature = token.get(last + 1..).ok_or(MalformedToken::Parts)?;
    match memchr_iter(b'.', payload).take(3).count() {
        0 => Ok([header, payload, signature]),
        2 => Err(MalformedToken::Encrypted),
        _ => Err(MalformedToken::Parts),
    }
}

/// Refuses padding, white space, other alphabets and bits after the end: each token has one
/// spelling.
fn decode(part: &[u8], which: Part) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejection::Malformed(MalformedToken::Base64(which)))
}
