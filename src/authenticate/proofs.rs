//! DPoP proofs that were used, and the nonces that they must carry.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::SHA256;

use crate::authenticate::binding_fault::BindingFault;
use crate::authenticate::nonces::Nonces;
use crate::jwt::dpop::{DpopProof, WINDOW};
use crate::model::clock::UnixSeconds;
use crate::model::secret::SecretKey;

/// The name of a proof: the beginning of a SHA-256 over its key and its id.
pub type ProofMark = [u8; 16];

/// The time for which a used proof is remembered: as long as the clock of any gateway could accept
/// it.
pub const PROOF_LIFETIME: Duration = Duration::from_secs(2 * WINDOW);

/// Proofs that were used, for as long as they could be used again; shared by all workers.
#[derive(Debug)]
pub struct Proofs {
    used: Mutex<HashMap<ProofMark, u64, foldhash::quality::RandomState>>,
    /// The nonces of this process.
    nonces: Nonces,
    /// Read, and never written: proofs that were used before.
    before: Option<Arc<Proofs>>,
}

/// The most proofs within their window. Beyond it new ones are refused, because forgetting one
/// would let it be used again.
const MOST_PROOFS: usize = 1 << 20;

impl Proofs {
    /// Makes an empty memory. `secret` makes the nonces of this process unguessable.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { used: Mutex::default(), nonces: Nonces::of(secret), before: None }
    }

    /// Returns the same proofs and nonces for reading only: a proof that is judged by these can
    /// still be used.
    #[must_use]
    pub fn looking_only(self: &Arc<Self>) -> Self {
        let nonces = self.nonces.clone();
        Self { used: Mutex::default(), nonces, before: Some(Arc::clone(self)) }
    }

    fn has_seen(&self, key: ProofMark, now: UnixSeconds) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.get(&key).is_some_and(|until| *until >= now.0)
    }

    /// Remembers a proof and names it, in the same way in every gateway. A proof that was used
    /// before is an error.
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

    /// Returns the nonce that a proof should carry now, by the key of all gateways or that of this
    /// process.
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

#[cfg(test)]
mod tests;
