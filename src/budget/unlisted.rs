//! Addresses that send `X-Forwarded-For` and are not in `trusted_proxies`: their clients are
//! counted as one.
//!
//! Warns the operator, and changes nothing: once at the first sight of any such address, and once
//! for each address whose clients are refused for it. Any client can send the header, so the number
//! of lines is bounded.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hashbrown::HashSet;

/// Addresses that get a line of their own.
const MOST_NAMED: usize = 100;

#[derive(Debug, Default)]
pub struct UnlistedProxies {
    seen: AtomicBool,
    named: Mutex<HashSet<IpAddr>>,
    refused: AtomicU64,
}

impl UnlistedProxies {
    /// The address speaks for others.
    pub fn see(&self, address: IpAddr) {
        if self.seen.load(Ordering::Relaxed) || self.seen.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            target: "portcullis::budget",
            %address,
            "an address that is not in `trusted_proxies` sends X-Forwarded-For: all its clients \
             count as one; if it is your proxy, add it to `gateway.trusted_proxies` (said once, \
             whichever addresses follow)",
        );
    }

    /// A client of the address was refused because the budget of the address is used up.
    pub fn refuse(&self, address: IpAddr) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < MOST_NAMED && named.insert(address.to_canonical()) {
            tracing::warn!(
                target: "portcullis::budget",
                %address,
                "the clients of this address are refused together, for it sends X-Forwarded-For \
                 and is not in `trusted_proxies`; if it is your proxy, add it to \
                 `gateway.trusted_proxies`, so that each client is counted for itself",
            );
        }
    }

    /// Returns the number of refused requests of such addresses.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
