//! Makes request ids that no other request of any gateway has: random in front, drawn once for a
//! worker, counted behind.
//!
//! They are no secrets: one tells the next. Ids are written many at a time into one piece of memory
//! that they share.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;

const DIGITS: usize = 32;

/// The number of ids that are written at a time: 2 KiB, which live as long as the last request that
/// has one of them.
const BATCH: usize = 64;

#[derive(Debug)]
pub(super) struct RequestIds {
    front: [u8; 16],
    batch: RefCell<IdBatch>,
}

#[derive(Debug, Default)]
struct IdBatch {
    ids: Bytes,
    next: u64,
}

impl RequestIds {
    /// `front` is random.
    pub(super) fn new(front: u64) -> Self {
        Self { front: hexadecimal(front), batch: RefCell::default() }
    }

    /// 32 hexadecimal digits.
    pub(super) fn next(&self) -> HeaderValue {
        let mut batch = self.batch.borrow_mut();
        if batch.ids.is_empty() {
            let mut ids = BytesMut::with_capacity(BATCH * DIGITS);
            for _ in 0..BATCH {
                ids.extend_from_slice(&self.front);
                ids.extend_from_slice(&hexadecimal(batch.next));
                batch.next = batch.next.wrapping_add(1);
            }
            batch.ids = ids.freeze();
        }
        let id = batch.ids.split_to(DIGITS);
        // digits are a value
        HeaderValue::from_maybe_shared(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

fn hexadecimal(number: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    for (digit, place) in digits.iter_mut().rev().zip(0_u32..) {
        let four = usize::try_from((number >> (place * 4)) & 0xF).unwrap_or_default();
        *digit = b"0123456789abcdef".get(four).copied().unwrap_or(b'0');
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_different_and_of_one_length_over_several_batches() {
        let ids = RequestIds::new(0x0123_4567_89ab_cdef);
        assert_eq!(ids.next(), "0123456789abcdef0000000000000000");
        let seen: HashSet<String> =
            (1..1000).map(|_| ids.next().to_str().unwrap().to_owned()).collect();
        assert_eq!(seen.len(), 999);
        assert!(seen.contains("0123456789abcdef00000000000003e7"));
        assert!(seen.iter().all(|id| id.len() == DIGITS));
    }
}
