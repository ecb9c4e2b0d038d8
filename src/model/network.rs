//! The networks to which an address of the management API may lead. Addresses of files are not
//! restricted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

/// Refuses loopback, link-local, private and other networks that are not the internet. So a user
/// who can write an address cannot reach the neighbors of the gateway. Clones share the list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct NetworkRule {
    allowed: Arc<[IpNet]>,
}

impl NetworkRule {
    /// A rule with exceptions.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Tells whether the gateway may connect to this address.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = inner(address);
        is_public(address) || self.allowed.iter().any(|network| network.contains(&address))
    }
}

/// Returns the IPv4 address that an IPv6 address stands for: mapped (RFC 4291), of NAT64 (RFC
/// 6052) or of 6to4 (RFC 3056).
fn inner(address: IpAddr) -> IpAddr {
    let canonical = address.to_canonical();
    let IpAddr::V6(v6) = canonical else { return canonical };
    let embedded = match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => (high, low),
        _ => return canonical,
    };
    let bits = (u32::from(embedded.0) << 16) | u32::from(embedded.1);
    IpAddr::V4(Ipv4Addr::from_bits(bits))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    // this network, shared addresses of carriers (RFC 6598), protocol assignments (RFC 6890),
    // benchmarks (RFC 2544), reserved addresses and broadcast
    let special = matches!(
        address.octets(),
        [0 | 240..=255, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18 | 19, ..]
    );
    let special = special
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast();
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // unicast that is routed (RFC 4291); all else is loopback, link-local, private or multicast
    matches!(address.segments(), [0x2000..=0x3fff, ..])
        // Teredo (RFC 4380) hides an IPv4 address
        && !matches!(address.segments(), [0x2001, 0, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internet_can_be_reached() {
        let rule = NetworkRule::default();
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:0:1::1",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "ff02::1",
        ] {
            assert!(!rule.permits(address.parse().unwrap()), "{address}");
        }
        for address in [
            "9.255.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "203.0.113.7",
            "2001:db8::1",
            "2606:4700::1111",
            "::ffff:203.0.113.7",
            "64:ff9b::cb00:7107",
        ] {
            assert!(rule.permits(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_exception_holds_for_its_network_alone() {
        let rule = NetworkRule::new(vec!["10.1.0.0/16".parse().unwrap()]);
        for (address, permitted) in [
            ("10.1.255.1", true),
            ("::ffff:10.1.0.1", true),
            ("10.2.0.1", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(rule.permits(address.parse().unwrap()), permitted, "{address}");
        }
    }
}
