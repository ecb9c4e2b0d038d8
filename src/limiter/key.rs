//! The names of counters: 128 bits each, made from the facts that identify a caller.
//!
//! No user name, address or claim is kept: a counter is found by a keyed fingerprint (SipHash-2-4,
//! twice). The keys are random, so no outsider can choose two callers that share a counter. They
//! are saved with the counts, and the gateways of a fleet agree on them.

#![expect(
    deprecated,
    reason = "the successor's algorithm may change with the compiler; counters in files and of other gateways must not"
)]

use std::hash::{Hasher, SipHasher};

/// The bits of a key that choose its part of the table.
const HOME: u128 = 0xffff << 32;

/// The name of one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey(pub u128);

/// The fingerprint of a policy, an application, an API, a user or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u128);

/// The secret of all fingerprints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeySpace([u64; 4]);

impl std::fmt::Debug for KeySpace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("KeySpace(..)")
    }
}

impl KeySpace {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, part) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*part);
        }
        Self(words)
    }

    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (part, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *part = word.to_le_bytes();
        }
        bytes
    }

    /// Fingerprints a list of parts. Their lengths are part of it: ("ab", "c") is not ("a", "bc").
    pub fn fingerprint<'p>(self, parts: impl IntoIterator<Item = &'p [u8]>) -> Fingerprint {
        let [a, b, c, d] = self.0;
        let mut low = SipHasher::new_with_keys(a, b);
        let mut high = SipHasher::new_with_keys(c, d);
        for part in parts {
            let length = (part.len() as u64).to_le_bytes();
            low.write(&length);
            low.write(part);
            high.write(&length);
            high.write(part);
        }
        Fingerprint(u128::from(low.finish()) | u128::from(high.finish()) << 64)
    }
}

impl KeySpace {
    /// The fingerprint of an application.
    pub fn application(self, owner: &str, name: &str) -> Fingerprint {
        self.fingerprint([b"application".as_slice(), owner.as_bytes(), name.as_bytes()])
    }
}

impl Fingerprint {
    /// Returns the counter of this policy without a particular caller.
    pub fn counter(self) -> CounterKey {
        CounterKey(self.0)
    }
}

impl CounterKey {
    /// Returns the counter for one more fact. Fingerprints look random, so a multiplication mixes
    /// enough.
    #[must_use]
    pub fn of(self, part: Fingerprint) -> Self {
        const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        const TURN: u32 = 47;
        Self((self.0.rotate_left(TURN) ^ part.0).wrapping_mul(ODD))
    }

    /// The same counter, in the part of the table where everything lies that is counted for one
    /// application or at one API: a request finds several of its counters under one lock.
    #[must_use]
    pub fn beside(self, home: Fingerprint) -> Self {
        Self(self.0 & !HOME | home.0 & HOME)
    }

    /// Returns the bits that choose a counter's part of the table.
    pub(super) fn home(self) -> u64 {
        u64::try_from((self.0 & HOME) >> HOME.trailing_zeros()).unwrap_or_default()
    }
}
