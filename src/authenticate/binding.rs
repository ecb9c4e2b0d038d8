//! Tokens that are good only in one hand: bound to a client certificate (RFC 8705) or to a key (RFC 9449).
//!
//! Decides, for each request anew, whether the hand was shown. A token with a `cnf` that is not understood is refused: a
//! binding that is not checked is none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;

use crate::authenticate::certificate;
use crate::authenticate::credentials::TokenScheme;
use crate::authenticate::nonces::Nonces;
use crate::jwt::Claims;
use crate::jwt::dpop::{self, DpopProof, ProofFault, Proved, WINDOW};
use crate::model::clock::UnixSeconds;
use crate::model::secret::SecretKey;
use crate::snapshot::Snapshot;

/// What a token's `cnf` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    None,
    To {
        /// The SHA-256 of the certificate.
        certificate: Option<[u8; 32]>,
        /// The thumbprint of the key.
        key: Option<[u8; 32]>,
    },
    /// Something that cannot be checked here.
    Unknown,
}

/// What a request shows beside its token.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'r> {
    /// Of the certificate that the TLS handshake proved.
    pub certificate: Option<[u8; 32]>,
    /// Whose word on certificates may be believed.
    pub peer: Option<IpAddr>,
    /// Who sends, behind trusted proxies.
    pub client: Option<IpAddr>,
    pub method: &'r str,
    pub scheme: &'static str,
    pub authority: &'r str,
    /// As sent, and in normal form; below what trusted proxies took off.
    pub paths: [&'r str; 2],
    pub prefix: &'r str,
    pub headers: &'r HeaderMap,
}

/// Why a token is not in the right hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BindingFault {
    #[error("the token is bound (cnf) to something that cannot be proved here")]
    Unknown,
    #[error("the token is bound to a client certificate, and none was shown")]
    NoCertificate,
    #[error(
        "the token is bound to a client certificate, and the trusted proxy's header holds none in the format that \
         `client_certificate_header` says"
    )]
    UnreadableCertificate,
    #[error("the token is bound to another client certificate")]
    OtherCertificate,
    #[error("the token is bound to a key, and came without exactly one DPoP proof")]
    NoProof,
    #[error("the token is bound to a key, and came as a bearer token")]
    Bearer,
    #[error("the token came with the scheme DPoP and is bound to no key")]
    NotBoundToKey,
    #[error("the DPoP proof: {0}")]
    Proof(ProofFault),
    #[error("the DPoP proof is of another key than the token is bound to")]
    OtherKey,
    #[error("the DPoP proof was used before")]
    Replayed,
    #[error("the DPoP proof has no nonce of this gateway, or an old one")]
    Nonce,
    #[error("the API takes only bound tokens, and this one is not")]
    NotBound,
}

impl Binding {
    pub(super) fn of(claims: &Claims) -> Self {
        let Some(confirmation) = claims.get("cnf") else { return Self::None };
        let Some(members) = confirmation.as_object() else { return Self::Unknown };
        let digest_of = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().and_then(decode).map(Some).ok_or(()),
        };
        match (digest_of("x5t#S256"), digest_of("jkt")) {
            (Ok(None), Ok(None)) | (Err(()), _) | (_, Err(())) => Self::Unknown,
            (Ok(certificate), Ok(key)) => Self::To { certificate, key },
        }
    }
}

fn decode(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Checks a binding against what a request shows. The proof that was used, where there was one, is to be remembered.
pub(super) fn prove(
    binding: Binding,
    token: &[u8],
    scheme: TokenScheme,
    evidence: &Evidence<'_>,
    snapshot: &Snapshot,
    now: UnixSeconds,
) -> Result<Option<DpopProof>, BindingFault> {
    let (certificate, key) = match binding {
        Binding::None if scheme == TokenScheme::Dpop => return Err(BindingFault::NotBoundToKey),
        Binding::None => return Ok(None),
        Binding::Unknown => return Err(BindingFault::Unknown),
        Binding::To { certificate, key } => (certificate, key),
    };
    if let Some(wanted) = certificate {
        let Evidence { certificate: proved, peer, headers, .. } = *evidence;
        let shown = certificate::shown(proved, peer, headers, &snapshot.trusted_proxies)?
            .ok_or(BindingFault::NoCertificate)?;
        if shown != wanted {
            return Err(BindingFault::OtherCertificate);
        }
    }
    let Some(wanted) = key else {
        return if scheme == TokenScheme::Dpop {
            Err(BindingFault::NotBoundToKey)
        } else {
            Ok(None)
        };
    };
    if scheme != TokenScheme::Dpop {
        return Err(BindingFault::Bearer);
    }
    let mut proofs = evidence.headers.get_all("dpop").iter();
    let (Some(written), None) = (proofs.next(), proofs.next()) else {
        return Err(BindingFault::NoProof);
    };
    let about = Proved {
        method: evidence.method,
        scheme: evidence.scheme,
        authority: evidence.authority,
        paths: evidence.paths,
        prefix: evidence.prefix,
        token,
    };
    let proof = dpop::check(written.as_bytes(), &about, now).map_err(BindingFault::Proof)?;
    if proof.thumbprint == wanted { Ok(Some(proof)) } else { Err(BindingFault::OtherKey) }
}

/// Names a proof: the beginning of a SHA-256 over its key and its id.
pub type ProofMark = [u8; 16];

/// How long a proof that was used is remembered: as long as the clock of any gateway could take it.
pub const PROOF_LIFETIME: Duration = Duration::from_secs(2 * WINDOW);

/// Proofs that were used, for as long as they could be used again; shared by all workers.
#[derive(Debug)]
pub struct Proofs {
    used: Mutex<HashMap<ProofMark, u64, foldhash::quality::RandomState>>,
    /// Of this process.
    nonces: Nonces,
    /// Looked at, and never written: what these have seen was used before.
    before: Option<Arc<Proofs>>,
}

/// More proofs than this within their window, and new ones are refused: forgetting one would let it be used again.
const MOST_PROOFS: usize = 1 << 20;

impl Proofs {
    /// `secret` makes the nonces of this process unguessable.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { used: Mutex::default(), nonces: Nonces::of(secret), before: None }
    }

    /// The same proofs and nonces for who only looks: a proof that is judged by these can still be used.
    #[must_use]
    pub fn looking_only(self: &Arc<Self>) -> Self {
        let nonces = self.nonces.clone();
        Self { used: Mutex::default(), nonces, before: Some(Arc::clone(self)) }
    }

    fn has_seen(&self, key: ProofMark, now: UnixSeconds) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.get(&key).is_some_and(|until| *until >= now.0)
    }

    /// Remembers a proof and names it, in the same way in every gateway; an error if it was used before.
    pub(super) fn remember(
        &self,
        proof: &DpopProof,
        now: UnixSeconds,
    ) -> Result<ProofMark, BindingFault> {
        let mut context = aws_lc_rs::digest::Context::new(&SHA256);
        context.update(&proof.thumbprint);
        context.update(proof.id.as_bytes());
        let hash = context.finish();
        let key = *hash.as_ref().first_chunk::<16>().ok_or(BindingFault::Replayed)?;
        // in the window of the newest clock that accepts it, and then some
        let until = now.0.saturating_add(PROOF_LIFETIME.as_secs());
        if self.before.as_ref().is_some_and(|before| before.has_seen(key, now)) {
            return Err(BindingFault::Replayed);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MOST_PROOFS {
            used.retain(|_, until| *until >= now.0);
            if used.len() >= MOST_PROOFS {
                return Err(BindingFault::Replayed);
            }
        }
        if used.get(&key).is_some_and(|until| *until >= now.0) {
            return Err(BindingFault::Replayed);
        }
        used.insert(key, until);
        Ok(key)
    }

    /// The nonce that a proof should carry now, by the key of all gateways or that of this process.
    pub fn nonce(&self, shared: Option<&SecretKey>, now: UnixSeconds) -> String {
        shared.map_or_else(|| self.nonces.now(now), |key| Nonces::of(key.reveal()).now(now))
    }

    pub(super) fn is_nonce(
        &self,
        nonce: &str,
        shared: Option<&SecretKey>,
        now: UnixSeconds,
    ) -> bool {
        match shared {
            Some(key) => Nonces::of(key.reveal()).take(nonce, now),
            None => self.nonces.take(nonce, now),
        }
    }
}

/// What `cnf` holds, for `explain`.
pub fn describe(claims: &Claims) -> Option<String> {
    let confirmation = claims.get("cnf")?;
    let names = confirmation
        .as_object()
        .map(|members| members.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>());
    Some(format!("bound by {}", names.unwrap_or_default().join(" and ")))
}

#[cfg(test)]
mod tests;
