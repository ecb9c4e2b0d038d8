//! Verifies DPoP proofs (RFC 9449 section 4.3): a JWS of one request, signed by the key that a
//! token is bound to.
//!
//! Decides whether the proof is good for this request, and which key it proves. The caller decides
//! whether the proof was used before, and whether the token is bound to that key.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;

use crate::jwt::compact::{self, Compact};
use crate::jwt::json;
use crate::jwt::jwk;
use crate::jwt::value::{JsonValue, Members, Number};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::SignatureAlgorithm;

/// The largest proof that is read: it has room for a key of 8192 bits and its signature.
const MOST_BYTES: usize = 8192;

/// Longer ids are refused, so that each remembered one has a known size.
const MOST_ID_BYTES: usize = 256;

/// A proof is made for one request: how old it may be, clock skew apart, and how far ahead of our
/// clock.
pub const WINDOW: u64 = 60;
const AHEAD: u64 = 30;

/// The request that a proof must be made for.
#[derive(Debug, Clone, Copy)]
pub struct Proved<'r> {
    pub method: &'r str,
    pub scheme: &'r str,
    pub authority: &'r str,
    /// The path as sent, and in normal form; below the prefix.
    pub paths: [&'r str; 2],
    /// The part of the client's path that proxies in front removed; empty if there is none.
    pub prefix: &'r str,
    pub token: &'r [u8],
}

/// A good proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpopProof {
    /// RFC 7638, SHA-256.
    pub thumbprint: [u8; 32],
    /// The proof's id, unique for its key.
    pub id: Box<str>,
    pub nonce: Option<Box<str>>,
}

/// The reason why a proof is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    #[error("it is not a compact JWS of the type dpop+jwt")]
    Form,
    #[error("its key cannot be used, or is a private one")]
    Key,
    #[error("its algorithm is not one of its key's")]
    Algorithm,
    #[error("its signature is not its key's")]
    Signature,
    #[error("`{0}` is missing or has the wrong type")]
    Claim(&'static str),
    #[error("it was made for another method (htm)")]
    Method,
    #[error("it was made for another address (htu)")]
    Address,
    #[error("it was made for another token (ath)")]
    Token,
    #[error("it is too old, or from the future (iat)")]
    Time,
}

/// Reads and checks a proof.
pub fn check(proof: &[u8], about: &Proved<'_>, now: UnixSeconds) -> Result<DpopProof, ProofFault> {
    let Compact { signing_input, header, payload, signature } =
        compact::split(proof, MOST_BYTES).map_err(|_| ProofFault::Form)?;
    let header = json::read_strict_object(&header).map_err(|_| ProofFault::Form)?;
    if header.get("typ").and_then(JsonValue::as_str) != Some("dpop+jwt")
        || header.contains("crit")
        || header.contains("b64")
    {
        return Err(ProofFault::Form);
    }
    let key = header.get("jwk").ok_or(ProofFault::Key)?;
    let thumbprint = thumbprint(key.as_object().ok_or(ProofFault::Key)?)?;
    let algorithm = header
        .get("alg")
        .and_then(JsonValue::as_str)
        .and_then(SignatureAlgorithm::from_name)
        .ok_or(ProofFault::Algorithm)?;
    let parsed = jwk::read(key).map_err(|_| ProofFault::Key)?;
    let verifier = parsed.verifier(algorithm).ok_or(ProofFault::Algorithm)?;
    if !verifier.accepts(signing_input, &signature) {
        return Err(ProofFault::Signature);
    }
    let claims = json::read_strict_object(&payload).map_err(|_| ProofFault::Form)?;
    let text = |name| claims.get(name).and_then(JsonValue::as_str).ok_or(ProofFault::Claim(name));
    if text("htm")? != about.method {
        return Err(ProofFault::Method);
    }
    if !is_same_address(text("htu")?, about) {
        return Err(ProofFault::Address);
    }
    if text("ath")? != URL_SAFE_NO_PAD.encode(digest(&SHA256, about.token)) {
        return Err(ProofFault::Token);
    }
    let issued = issued_at(&claims)?;
    if issued > now.0.saturating_add(AHEAD) || issued.saturating_add(WINDOW) < now.0 {
        return Err(ProofFault::Time);
    }
    let id = text("jti")?;
    if id.is_empty() || id.len() > MOST_ID_BYTES {
        return Err(ProofFault::Claim("jti"));
    }
    let nonce = claims
        .get("nonce")
        .map(|nonce| nonce.as_str().ok_or(ProofFault::Claim("nonce")))
        .transpose()?;
    Ok(DpopProof { thumbprint, id: id.into(), nonce: nonce.map(Box::from) })
}

fn issued_at(claims: &Members) -> Result<u64, ProofFault> {
    match claims.get("iat") {
        Some(JsonValue::Number(Number::Unsigned(seconds))) => Ok(*seconds),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was just checked"
        )]
        Some(JsonValue::Number(Number::Float(seconds))) if (0.0..1e15).contains(seconds) => {
            Ok(*seconds as u64)
        }
        _ => Err(ProofFault::Claim("iat")),
    }
}

/// The canonical form of the key's required members (RFC 7638 section 3.2), hashed. Private members
/// are refused.
pub(super) fn thumbprint(key: &Members) -> Result<[u8; 32], ProofFault> {
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|private| key.contains(private)) {
        return Err(ProofFault::Key);
    }
    let member = |name: &'static str| {
        let text = key.get(name).and_then(JsonValue::as_str).ok_or(ProofFault::Key)?;
        // characters that need no escape in JSON, which all of these consist of
        let plain =
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if plain { Ok(format!("\"{name}\":\"{text}\"")) } else { Err(ProofFault::Key) }
    };
    let names: &[&'static str] = match key.get("kty").and_then(JsonValue::as_str) {
        Some("RSA") => &["e", "kty", "n"],
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("OKP") => &["crv", "kty", "x"],
        _ => return Err(ProofFault::Key),
    };
    let members: Result<Vec<_>, _> = names.iter().map(|name| member(name)).collect();
    let canonical = format!("{{{}}}", members?.join(","));
    digest(&SHA256, canonical.as_bytes()).as_ref().try_into().map_err(|_| ProofFault::Key)
}

/// Compares without query and fragment, after the parts of the normalization of RFC 3986 (sections
/// 6.2.2 and 6.2.3) that cost nothing.
fn is_same_address(written: &str, about: &Proved<'_>) -> bool {
    let Ok(uri) = written.split(['?', '#']).next().unwrap_or_default().parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let default = if about.scheme == "https" { ":443" } else { ":80" };
    let bare = |authority: &str| {
        let lower = authority.to_ascii_lowercase();
        lower.strip_suffix(default).map(str::to_owned).unwrap_or(lower)
    };
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    scheme.eq_ignore_ascii_case(about.scheme)
        && bare(authority.as_str()) == bare(about.authority)
        && path.strip_prefix(about.prefix).is_some_and(|rest| about.paths.contains(&rest))
}
