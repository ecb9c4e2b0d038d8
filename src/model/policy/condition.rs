//! Conditions of advanced policies: other limits for some requests.

use std::net::IpAddr;

use http::HeaderName;

use crate::model::policy::PolicyLimits;
use crate::model::token_handling::Pattern;

/// A condition of a policy. Its limits replace the policy's own for requests that fit all of its
/// written parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub ips: Matcher<AddressRange>,
    pub headers: Matcher<(HeaderName, Pattern)>,
    pub query: Matcher<(String, Pattern)>,
    pub claims: Matcher<(String, Pattern)>,
    pub limits: PolicyLimits,
}

/// One kind of condition. A client address must be in one of the ranges. Headers, parameters and
/// claims must all match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher<T> {
    /// The wanted values; empty asks for nothing.
    pub wanted: Vec<T>,
    pub inverted: bool,
}

impl Condition {
    pub fn asks_for_nothing(&self) -> bool {
        self.ips.wanted.is_empty()
            && self.headers.wanted.is_empty()
            && self.query.wanted.is_empty()
            && self.claims.wanted.is_empty()
    }
}

impl<T> Matcher<T> {
    /// Tells whether the condition holds; one without content always does.
    pub fn holds(&self, fits: impl FnOnce(&[T]) -> bool) -> bool {
        self.wanted.is_empty() || fits(&self.wanted) != self.inverted
    }
}

/// Addresses from one to another, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// Returns `None` if the addresses are of two families, or in the wrong order.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let (first, last) = (first.to_canonical(), last.to_canonical());
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }

    /// Tells whether the range has all addresses of a family.
    pub fn is_everything(&self) -> bool {
        let first = self.first.is_unspecified();
        first
            && match self.last {
                IpAddr::V4(last) => last.to_bits() == u32::MAX,
                IpAddr::V6(last) => last.to_bits() == u128::MAX,
            }
    }

    pub fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }
}

/// Reads an address, a network, or two addresses with a hyphen between them.
impl TryFrom<&str> for AddressRange {
    type Error = ();

    fn try_from(text: &str) -> Result<Self, ()> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Self::new(address, address).ok_or(());
        }
        if let Ok(network) = text.parse::<ipnet::IpNet>() {
            return Self::new(network.network(), network.broadcast()).ok_or(());
        }
        let (first, last) = text.split_once('-').ok_or(())?;
        let parse = |part: &str| part.trim().parse::<IpAddr>().map_err(|_| ());
        Self::new(parse(first)?, parse(last)?).ok_or(())
    }
}
