//! Nonces for DPoP proofs (RFC 9449 section 8): tags of the time, which need no memory.
//!
//! Gateways with one `dpop_nonce_key` take each other's nonces, and those from before a restart.
//! Without it each process has a secret of its own.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::clock::UnixSeconds;

/// A nonce is good for this long, and as long again.
const NONCE_SECONDS: u64 = 300;

/// Keeps tags of the key that may be used for something else one day from being nonces.
const PURPOSE: &[u8] = b"portcullis dpop nonce 1";

/// The nonces of one key.
#[derive(Debug, Clone)]
pub(super) struct Nonces(hmac::Key);

impl Nonces {
    pub(super) fn of(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The nonce that a proof should carry now.
    pub(super) fn now(&self, now: UnixSeconds) -> String {
        self.of_period(period(now))
    }

    /// Tells whether a nonce is of this period or of the last one; or of the next one, by another
    /// gateway's clock.
    pub(super) fn take(&self, nonce: &str, now: UnixSeconds) -> bool {
        let period = period(now);
        [period, period.saturating_sub(1), period.saturating_add(1)].iter().any(|period| {
            let own = self.of_period(*period);
            verify_slices_are_equal(own.as_bytes(), nonce.as_bytes()).is_ok()
        })
    }

    fn of_period(&self, period: u64) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(PURPOSE);
        context.update(&period.to_be_bytes());
        let tag = context.sign();
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..18).unwrap_or_default())
    }
}

fn period(now: UnixSeconds) -> u64 {
    now.0.checked_div(NONCE_SECONDS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_two_periods_and_of_its_key() {
        let (one, same, other) = (Nonces::of(&[1; 32]), Nonces::of(&[1; 32]), Nonces::of(&[2; 32]));
        let nonce = one.now(UnixSeconds(600));
        for (seconds, expected) in
            [(299, false), (300, true), (600, true), (1199, true), (1200, false), (u64::MAX, false)]
        {
            assert_eq!(same.take(&nonce, UnixSeconds(seconds)), expected, "{seconds}");
        }
        assert!(!other.take(&nonce, UnixSeconds(600)));
        for nonce in ["", "x", &nonce[1..], &format!("{nonce}=")] {
            assert!(!one.take(nonce, UnixSeconds(600)), "{nonce}");
        }
    }
}
