//! A checksum over objects, whatever their order.

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Map, Value};

use crate::store::record::Record;

/// The sum of the hashes of all objects, modulo 2^256: it grows and shrinks with each of them, and
/// is the same in every database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateDigest([u64; 4]);

impl StateDigest {
    pub fn add(&mut self, record: &Record) {
        let mut carry = false;
        for (own, other) in self.0.iter_mut().zip(words(&hash(record))) {
            let (sum, over) = own.overflowing_add(other);
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            *own = sum;
            carry = over || again;
        }
    }

    pub fn remove(&mut self, record: &Record) {
        let mut borrow = false;
        for (own, other) in self.0.iter_mut().zip(words(&hash(record))) {
            let (rest, under) = own.overflowing_sub(other);
            let (rest, again) = rest.overflowing_sub(u64::from(borrow));
            *own = rest;
            borrow = under || again;
        }
    }

    pub fn bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (eight, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            eight.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(in crate::store) fn read(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 32).then(|| Self(words(bytes)))
    }
}

fn words(bytes: &[u8]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, eight) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*eight);
    }
    words
}

fn hash(record: &Record) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let mut put = |bytes: Option<&[u8]>| {
        // a length before each field: two fields never read as one
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        context.update(&length.to_le_bytes());
        context.update(bytes.unwrap_or_default());
    };
    put(Some(record.kind.as_str().as_bytes()));
    put(Some(record.id.as_bytes()));
    put(Some(record.name.as_bytes()));
    for text in [&record.place, &record.owner, &record.target] {
        put(text.as_deref().map(str::as_bytes));
    }
    put(record.parent.as_ref().map(|parent| parent.as_bytes().as_slice()));
    for map in [&record.declared, &record.extra] {
        put(Some(text(map).as_bytes()));
    }
    for number in [record.created_at, record.updated_at] {
        put(Some(&number.to_le_bytes()));
    }
    put(Some(&record.revision.to_le_bytes()));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Members are sorted: the same document has one text.
fn text(map: &Map<String, Value>) -> String {
    serde_json::to_string(map).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::kind::Kind;

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let records: Vec<_> = (0..50_u128)
            .map(|n| Record::new(Kind::Application, Uuid::from_u128(n), format!("app {n}")))
            .collect();
        let (mut forward, mut backward) = (StateDigest::default(), StateDigest::default());
        for record in &records {
            forward.add(record);
        }
        for record in records.iter().rev() {
            backward.add(record);
        }
        assert_eq!(forward, backward);
        assert_eq!(StateDigest::read(&forward.bytes()), Some(forward));
        let mut changed = records[7].clone();
        changed.owner = Some(String::new());
        backward.remove(&records[7]);
        backward.add(&changed);
        assert_ne!(forward, backward, "an empty owner is not the same as none");
        backward.remove(&changed);
        backward.add(&records[7]);
        assert_eq!(forward, backward);
        for record in &records {
            forward.remove(record);
        }
        assert_eq!(forward, StateDigest::default());
    }
}
