//! One revocation on the wire: text that is read strictly, for whatever else writes to the same server.
//!
//! In the set, `t.<mark>` or `h.<mark>.<before>` with the end as its score; in the stream the same with `<until>.` in
//! front. The mark is hexadecimal, times are seconds since 1970. There is no token and no name in it.

use crate::model::clock::UnixSeconds;
use crate::revocation::record::{Kind, Mark, Record};

const MARK_DIGITS: usize = 32;
/// Of a `u32`.
const MOST_DIGITS: usize = 10;

/// In the set.
pub(super) fn member(record: &Record) -> String {
    let mark = record.mark.0.iter().fold(String::with_capacity(48), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    });
    match record.kind {
        Kind::Token => format!("t.{mark}"),
        Kind::Holder { before } => format!("h.{mark}.{}", clamped(before)),
    }
}

/// The end, which is the member's score.
pub(super) fn score(record: &Record) -> u32 {
    clamped(record.until)
}

/// In the stream.
pub(super) fn line(record: &Record) -> String {
    format!("{}.{}", score(record), member(record))
}

pub(super) fn read_line(line: &[u8]) -> Option<Record> {
    let end = line.iter().position(|byte| *byte == b'.')?;
    let (until, rest) = line.split_at_checked(end)?;
    read_member(rest.get(1..)?, until)
}

pub(super) fn read_member(member: &[u8], score: &[u8]) -> Option<Record> {
    let until = time(score)?;
    let (tag, rest) = member.split_at_checked(2)?;
    let (digits, rest) = rest.split_at_checked(MARK_DIGITS)?;
    let kind = match (tag, rest) {
        (b"t.", b"") => Kind::Token,
        (b"h.", [b'.', before @ ..]) => Kind::Holder { before: time(before)? },
        _ => return None,
    };
    Some(Record { mark: Mark(mark(digits)?), kind, until })
}

fn mark(digits: &[u8]) -> Option<[u8; 16]> {
    let (pairs, _) = digits.as_chunks::<2>();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}

/// No sign, no zero in front, no fraction.
fn time(text: &[u8]) -> Option<UnixSeconds> {
    let plain = text.len() <= MOST_DIGITS
        && text.iter().all(u8::is_ascii_digit)
        && (text == b"0" || text.first() != Some(&b'0'));
    let seconds: u32 = plain.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()?;
    Some(UnixSeconds(seconds.into()))
}

fn clamped(time: UnixSeconds) -> u32 {
    u32::try_from(time.0).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(mark: [u8; 16], until: u32, before in proptest::option::of(any::<u32>())) {
            let kind = before.map_or(Kind::Token, |before| Kind::Holder { before: UnixSeconds(before.into()) });
            let record = Record { mark: Mark(mark), kind, until: UnixSeconds(until.into()) };
            prop_assert_eq!(read_line(line(&record).as_bytes()), Some(record));
            prop_assert_eq!(read_member(member(&record).as_bytes(), score(&record).to_string().as_bytes()), Some(record));
        }

        #[test]
        fn nothing_else_is_read(line in "[0-9]{0,12}\\.?[thx]?\\.?[0-9a-fA-F]{0,34}\\.?[0-9+-]{0,12}") {
            if let Some(record) = read_line(line.as_bytes()) {
                prop_assert_eq!(super::line(&record), line, "there is one way to write it");
            }
        }

        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            prop_assert_eq!(read_line(&bytes), None);
        }
    }

    #[test]
    fn times_beyond_the_scale_are_its_end() {
        let record =
            Record { mark: Mark([7; 16]), kind: Kind::Token, until: UnixSeconds(u64::MAX / 1000) };
        assert_eq!(line(&record), format!("{}.t.{}", u32::MAX, "07".repeat(16)));
    }
}
