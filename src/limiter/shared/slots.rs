//! The slots of a Redis Cluster: which server holds a key.

use redis::Value;

use crate::model::redis::HostPort;

/// The slots of every cluster.
const SLOTS: u16 = 16384;

/// The servers of a cluster by the slots that they hold; each range includes its last slot.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct SlotMap(Vec<SlotRange>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct SlotRange {
    first: u16,
    last: u16,
    server: HostPort,
}

impl SlotMap {
    /// Reads the answer to `CLUSTER SLOTS`. A server without a known name is the one that answered.
    pub(super) fn read(answer: &Value, asked: &HostPort) -> Option<Self> {
        let Value::Array(ranges) = answer else { return None };
        let mut map = Vec::with_capacity(ranges.len());
        for range in ranges {
            let Value::Array(parts) = range else { return None };
            let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice()
            else {
                return None;
            };
            let [host, Value::Int(port), ..] = master.as_slice() else { return None };
            let host = match host {
                Value::BulkString(host) if !host.is_empty() => {
                    String::from_utf8(host.clone()).ok()?
                }
                Value::BulkString(_) | Value::Nil => asked.host.clone(),
                _ => return None,
            };
            let server = HostPort { host, port: u16::try_from(*port).ok()? };
            let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            map.push(SlotRange { first, last, server });
        }
        Some(Self(map))
    }

    pub(super) fn server(&self, slot: u16) -> Option<&HostPort> {
        let holds = |range: &&SlotRange| range.first <= slot && slot <= range.last;
        self.0.iter().find(holds).map(|range| &range.server)
    }

    /// Tells whether every slot has a server.
    pub(super) fn is_complete(&self) -> bool {
        let mut ranges: Vec<_> = self.0.iter().map(|range| (range.first, range.last)).collect();
        ranges.sort_unstable();
        let mut next = 0;
        ranges.into_iter().all(|(first, last)| {
            let follows = first == next;
            next = last.saturating_add(1);
            follows
        }) && next == SLOTS
    }
}

/// The slot of a key: of the text between its braces, if there is any.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// Returns the CRC-16 of XMODEM, which the Redis Cluster specification prescribes.
fn crc16(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x1021;
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_slot_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS, "empty braces are no tag");
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let server = Value::Array(vec![Value::BulkString(host.into()), Value::Int(port)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), server])
    }

    #[test]
    fn a_map_knows_whether_it_is_complete() {
        let asked = HostPort { host: "seed".to_owned(), port: 7000 };
        let answer = Value::Array(vec![range(0, 8000, "a", 1), range(8001, 16383, "", 2)]);
        let map = SlotMap::read(&answer, &asked).unwrap();
        assert!(map.is_complete());
        assert_eq!(map.server(8000).unwrap().host, "a");
        assert_eq!(map.server(8001).unwrap().host, "seed");
        let holed = Value::Array(vec![range(0, 8000, "a", 1), range(8002, 16383, "b", 2)]);
        assert!(!SlotMap::read(&holed, &asked).unwrap().is_complete());
        assert_eq!(SlotMap::read(&Value::Okay, &asked), None);
    }
}
