//! The sources of requests, as far as budgets tell clients apart.

use std::hash::BuildHasher;
use std::net::IpAddr;

/// One client: an IPv4 address, or the IPv6 network of 64 bits that one client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientSource {
    V4(u32),
    /// The first 64 bits.
    V6(u64),
    /// The client that an address names, as a hash. It is not trusted: see [`ClaimedClient`].
    Claimed(u64),
}

/// The client that is charged for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedClient {
    pub source: ClientSource,
    /// The client that an unlisted address claims to speak for. Such a claim gains no budget. It
    /// only tells apart the clients that share the reserve of an exhausted address.
    pub claimed: Option<ClientSource>,
}

impl ClientSource {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or_default())
            }
        }
    }
}

impl ClaimedClient {
    pub fn of(address: IpAddr) -> Self {
        Self { source: ClientSource::of(address), claimed: None }
    }

    /// Adds the claim of an unlisted address: the last element of its `X-Forwarded-For`, which an
    /// honest proxy has added itself.
    #[must_use]
    pub fn claiming(self, forwarded_for: &[u8]) -> Self {
        let last = forwarded_for.rsplit(|byte| *byte == b',').next().unwrap_or_default();
        // the same in every run: the gain of a claim is bounded, so choosing hashes gains nothing
        let hash =
            foldhash::quality::FixedState::default().hash_one((self.source, last.trim_ascii()));
        Self { claimed: Some(ClientSource::Claimed(hash)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> ClientSource {
        ClientSource::of(text.parse().unwrap())
    }

    #[test]
    fn a_client_is_an_address_or_a_network() {
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("2001:db8:1:2::1"), ClientSource::V6(0x2001_0db8_0001_0002));
        assert_ne!(source("::c000:201"), source("192.0.2.1"));
    }

    #[test]
    fn a_claim_is_what_the_nearest_proxy_added_and_is_worth_nothing_elsewhere() {
        let proxy = ClaimedClient::of("192.0.2.1".parse().unwrap());
        let claimed = |text: &str| proxy.claiming(text.as_bytes()).claimed;
        assert_eq!(claimed("198.51.100.1"), claimed("10.9.9.9, 198.51.100.1 "));
        assert_ne!(claimed("198.51.100.1"), claimed("198.51.100.1, 198.51.100.2"));
        let other = ClaimedClient::of("192.0.2.2".parse().unwrap()).claiming(b"198.51.100.1");
        assert_ne!(claimed("198.51.100.1"), other.claimed);
        assert_eq!(proxy.claiming(b"x").source, proxy.source);
    }
}
