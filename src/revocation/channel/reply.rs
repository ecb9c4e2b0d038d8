//! Reads the server's answers as far as they are used. An answer of an unexpected shape is an
//! error, and entries of other programs are told apart from the gateway's.

use std::fmt;

use redis::Value;

use crate::model::clock::UnixSeconds;
use crate::redis_link::LinkError;

/// The one field of our entries in the stream.
pub(super) const FIELD: &str = "r";

/// An entry's place in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct EntryId {
    milliseconds: u64,
    sequence: u64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.sequence)
    }
}

/// An entry, with its line if it is one of ours.
type Entry = (EntryId, Option<Vec<u8>>);

/// Returns the only entry of a range, if there is one.
pub(super) fn edge(value: &Value) -> Result<Option<EntryId>, LinkError> {
    Ok(entries(value, "XRANGE")?.first().map(|(id, _)| *id))
}

/// Returns the entries of a read of one stream; none if it waited in vain.
pub(super) fn news(value: &Value) -> Result<Vec<Entry>, LinkError> {
    const XREAD: LinkError = LinkError::Shape("XREAD");
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Array(streams) => match streams.as_slice() {
            [Value::Array(stream)] => match stream.as_slice() {
                [_, found] => entries(found, "XREAD"),
                _ => Err(XREAD),
            },
            _ => Err(XREAD),
        },
        _ => Err(XREAD),
    }
}

fn entries(value: &Value, command: &'static str) -> Result<Vec<Entry>, LinkError> {
    let Value::Array(entries) = value else { return Err(LinkError::Shape(command)) };
    entries.iter().map(|found| entry(found).ok_or(LinkError::Shape(command))).collect()
}

fn entry(value: &Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let [Value::BulkString(id), content] = parts.as_slice() else { return None };
    let (milliseconds, sequence) = std::str::from_utf8(id).ok()?.split_once('-')?;
    let id = EntryId { milliseconds: milliseconds.parse().ok()?, sequence: sequence.parse().ok()? };
    let line = match content {
        Value::Array(fields) => match fields.as_slice() {
            [Value::BulkString(field), Value::BulkString(line)] if field == FIELD.as_bytes() => {
                Some(line.clone())
            }
            _ => None,
        },
        // an entry that was deleted after it was found
        _ => None,
    };
    Some((id, line))
}

/// A page of the set.
pub(super) struct Page<'v> {
    /// The cursor of the next page; `0` at the end.
    pub(super) next: &'v [u8],
    found: &'v [Value],
}

impl<'v> Page<'v> {
    pub(super) fn of(value: &'v Value) -> Result<Self, LinkError> {
        let Value::Array(parts) = value else { return Err(LinkError::Shape("ZSCAN")) };
        let [Value::BulkString(next), Value::Array(found)] = parts.as_slice() else {
            return Err(LinkError::Shape("ZSCAN"));
        };
        Ok(Self { next, found })
    }

    /// Returns each member with its score.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'v [u8], &'v [u8])> {
        let (pairs, _) = self.found.as_chunks::<2>();
        pairs.iter().map(|[member, score]| match (member, score) {
            (Value::BulkString(member), Value::BulkString(score)) => {
                (member.as_slice(), score.as_slice())
            }
            // read as nothing of ours
            _ => (&b""[..], &b""[..]),
        })
    }
}

/// Returns the score of each member in the question.
pub(super) fn scores(
    value: &Value,
    asked: usize,
) -> Result<impl Iterator<Item = Option<f64>>, LinkError> {
    match value {
        Value::Array(scores) if scores.len() == asked => {
            Ok(scores.iter().map(|score| match score {
                Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
                Value::Double(number) => Some(*number),
                _ => None,
            }))
        }
        _ => Err(LinkError::Shape("ZMSCORE")),
    }
}

/// The server's time of day.
pub(super) fn time(value: &Value) -> Result<UnixSeconds, LinkError> {
    let seconds = match value {
        Value::Array(parts) => match parts.first() {
            Some(Value::BulkString(text)) => std::str::from_utf8(text).ok(),
            _ => None,
        },
        _ => None,
    };
    let seconds = seconds.and_then(|text| text.parse().ok());
    seconds.map(UnixSeconds).ok_or(LinkError::Shape("TIME"))
}

pub(super) fn count(value: &Value) -> Result<u64, LinkError> {
    match value {
        Value::Int(count) => Ok(u64::try_from(*count).unwrap_or_default()),
        _ => Err(LinkError::Shape("ZCARD")),
    }
}
