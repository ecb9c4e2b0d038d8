//! The names of the subjects that counters count apart: applications, users, clients, addresses.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::authenticate::Principal;
use crate::authorize::Grant;
use crate::limiter::key::{Fingerprint, KeySpace};
use crate::model::policy::{KeyPart, KeyTemplate};
use crate::throttle::call_facts::CallFacts;
use crate::throttle::policy_condition::claim_text;

/// The subjects of one request.
pub(super) struct Subjects<'r> {
    keys: KeySpace,
    grant: &'r Grant<'r>,
    client: IpAddr,
    /// Found once: the levels of the subscription and of the application both use it.
    application: OnceCell<Option<Fingerprint>>,
}

impl<'r> Subjects<'r> {
    pub(super) fn new(keys: KeySpace, grant: &'r Grant<'r>, facts: &CallFacts<'_>) -> Self {
        Self { keys, grant, client: facts.client, application: OnceCell::new() }
    }

    pub(super) fn application(&self) -> Option<Fingerprint> {
        *self.application.get_or_init(|| {
            let application = self.grant.application()?;
            let (owner, name) = (application.owner, application.name);
            Some(match self.grant.caller() {
                Some(caller) => caller.fingerprint(self.keys),
                None => self.keys.application(owner, name),
            })
        })
    }

    /// Returns the user of a token, of any key manager; without a token, the client's address.
    pub(super) fn caller(&self) -> Fingerprint {
        let Some(principal) = self.grant.principal() else { return self.address() };
        let key_manager = principal.key_manager().definition.name.as_str().as_bytes();
        let user = principal.claims().subject().unwrap_or_default().as_bytes();
        self.keys.fingerprint([b"user".as_slice(), key_manager, user])
    }

    /// Returns the client of a token that belongs to no application; without a token, the client's
    /// address.
    pub(super) fn client(&self) -> Fingerprint {
        let Some(principal) = self.grant.principal() else { return self.address() };
        let Some(consumer_key) = principal.consumer_key() else { return self.caller() };
        let key_manager = principal.key_manager().definition.name.as_str().as_bytes();
        self.keys.fingerprint([b"client".as_slice(), key_manager, consumer_key.as_bytes()])
    }

    /// Tells whether a token of one of these users came with the request. An empty list is
    /// everybody, with a token or without.
    pub(super) fn is_of(&self, users: &[String]) -> bool {
        users.is_empty()
            || self
                .grant
                .principal()
                .and_then(|principal| principal.claims().subject())
                .is_some_and(|subject| users.iter().any(|user| user == subject))
    }

    fn address(&self) -> Fingerprint {
        self.keys.fingerprint([b"address".as_slice(), network(self.client).as_slice()])
    }

    /// Returns the value of a custom policy's key. A part that the request does not have is empty,
    /// so that all such requests share a count.
    pub(super) fn custom(&self, template: &KeyTemplate) -> Fingerprint {
        let api = &self.grant.routed().api().definition;
        let address = network(self.client);
        let subject = self.grant.principal().and_then(|principal| principal.claims().subject());
        let claims = self.grant.principal().map(Principal::claims);
        let named = template.parts().iter().filter_map(|part| match part {
            KeyPart::Claim(name) => Some(name.as_str()),
            _ => None,
        });
        // a claim that is no text counts as one that is missing
        let text =
            |name| claims.and_then(|claims| claim_text(claims.get(name)?)).unwrap_or_default();
        let texts: SmallVec<[Cow<'_, str>; 2]> = named.map(text).collect();
        let mut texts = texts.iter();
        let application = self.grant.application();
        let parts = template.parts().iter().map(|part| match part {
            KeyPart::Text(text) => text.as_bytes(),
            // without a token, each address is a user
            KeyPart::User => subject.map_or(address.as_slice(), str::as_bytes),
            KeyPart::Application => application.map_or(b"".as_slice(), |a| a.name.as_bytes()),
            KeyPart::Api => api.name.as_str().as_bytes(),
            KeyPart::ApiContext => api.context.as_bytes(),
            KeyPart::Version => api.version.as_str().as_bytes(),
            KeyPart::Address => address.as_slice(),
            KeyPart::Claim(_) => texts.next().map_or(b"".as_slice(), |text| text.as_bytes()),
        });
        self.keys.fingerprint(parts)
    }
}

/// Returns an IPv4 address, or the /64 of an IPv6 address, which is the least that a client has.
/// The two have different lengths, so `2001:db8::/64` is not `32.1.13.184`.
fn network(address: IpAddr) -> SmallVec<[u8; 9]> {
    const VERSION_6: u8 = 6;
    const NETWORK_BYTES: usize = 8;
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            SmallVec::from_slice(&[a, b, c, d, 0, 0, 0, 0])
        }
        IpAddr::V6(address) => {
            let network = address.octets().into_iter().take(NETWORK_BYTES);
            std::iter::once(VERSION_6).chain(network).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_count_as_written_and_by_64_bits() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("2001:db8::1"), of("32.1.13.184"), "the same bytes, then zeros");
    }
}
