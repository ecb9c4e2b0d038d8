//! Recognizes RSA keys of a broken generator (ROCA, CVE-2017-15361), which can be factored at an
//! affordable price.
//!
//! The published fingerprint decides: modulo each small prime, such a modulus is a power of 65537.
//! About one of a hundred million other keys has the fingerprint too.

/// Tells whether a modulus, big-endian, has the fingerprint.
pub(super) fn is_marked(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| is_power(remainder(modulus, prime), prime))
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime)
}

/// Tells whether some power of 65537 leaves this rest.
fn is_power(rest: u32, prime: u32) -> bool {
    let mut power = 1;
    loop {
        if power == rest {
            return true;
        }
        power = power * (65_537 % prime) % prime;
        if power == 1 {
            return false;
        }
    }
}

/// The odd primes whose product the smallest of those generators used.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
