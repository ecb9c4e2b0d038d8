//! One revocation on the wire: text that is read strictly, since other programs may write to the
//! same server.
//!
//! In the set it is `t.<mark>`, `h.<mark>.<before>` or, for a lifted revocation, `l.<mark>`. Each
//! is followed by `.<at>.<call>.<what><by>`, and its score is the end. In the stream it is the same
//! with `<until>.` in front. Marks and calls are hexadecimal, `until` and `before` are seconds and
//! `at` milliseconds since 1970, `what` is a digit, and `by` is base64url. Earlier builds write
//! nothing behind the mark or `before`. It holds no token and no name of a client or subject.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::clock::UnixSeconds;
use crate::revocation::record::{CallId, Mark, Note, Of, RevocationKind, RevocationRecord, What};

const MARK_DIGITS: usize = 32;
/// The digits of the largest `u32`.
const MOST_DIGITS: usize = 10;
/// Digits of a time in milliseconds; 13 of them reach to 2286.
const MOST_MILLISECOND_DIGITS: usize = 14;
/// Bytes of a user's name in base64url; a longer name is cut.
const MOST_BY: usize = 128;

/// Returns the member of the set.
pub(super) fn member(record: &RevocationRecord) -> String {
    let mark = record.mark.0.iter().fold(String::with_capacity(100), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    });
    let member = match record.kind {
        RevocationKind::Token => format!("t.{mark}"),
        RevocationKind::Holder { before } => format!("h.{mark}.{}", clamped(before)),
        RevocationKind::Lifted => format!("l.{mark}"),
    };
    if record.at == 0 {
        return member;
    }
    let (what, by) = match &record.note {
        Some(note) => (note.of.what as u8, by(&note.by)),
        None => (0, String::new()),
    };
    format!("{member}.{}.{}.{what}{by}", record.at, record.call())
}

fn by(name: &str) -> String {
    const MOST_BYTES: usize = MOST_BY / 4 * 3;
    URL_SAFE_NO_PAD.encode(name.get(..name.floor_char_boundary(MOST_BYTES)).unwrap_or_default())
}

/// The end, which is the member's score.
pub(super) fn score(record: &RevocationRecord) -> u32 {
    clamped(record.until)
}

/// Returns the entry of the stream.
pub(super) fn line(record: &RevocationRecord) -> String {
    format!("{}.{}", score(record), member(record))
}

pub(super) fn read_line(line: &[u8]) -> Option<RevocationRecord> {
    let end = line.iter().position(|byte| *byte == b'.')?;
    let (until, rest) = line.split_at_checked(end)?;
    read_member(rest.get(1..)?, until)
}

pub(super) fn read_member(member: &[u8], score: &[u8]) -> Option<RevocationRecord> {
    let until = time(score)?;
    let member = std::str::from_utf8(member).ok()?;
    let mut parts = member.split('.');
    let (tag, digits) = (parts.next()?, parts.next()?);
    let mark = Mark(mark(digits.as_bytes())?);
    let kind = match tag {
        "t" => RevocationKind::Token,
        "h" => RevocationKind::Holder { before: time(parts.next()?.as_bytes())? },
        "l" => RevocationKind::Lifted,
        _ => return None,
    };
    let Some(at) = parts.next() else {
        return (kind != RevocationKind::Lifted).then(|| RevocationRecord::new(mark, kind, until));
    };
    let at = milliseconds(at)?;
    let (call, said) = (CallId::parse(parts.next()?)?, parts.next()?);
    let note = Some(Arc::new(note(call, said)?));
    parts.next().is_none().then_some(RevocationRecord { mark, kind, until, at, note })
}

fn note(call: CallId, said: &str) -> Option<Note> {
    let (what, by) = said.split_at_checked(1)?;
    if by.len() > MOST_BY {
        return None;
    }
    let what = What::from_number(what.parse().ok()?)?;
    let by = String::from_utf8(URL_SAFE_NO_PAD.decode(by).ok()?).ok()?;
    Some(Note { call, by: by.into(), of: Of { what, ..Of::default() } })
}

fn milliseconds(text: &str) -> Option<u64> {
    let plain = text.len() <= MOST_MILLISECOND_DIGITS
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

fn mark(digits: &[u8]) -> Option<[u8; 16]> {
    if digits.len() != MARK_DIGITS {
        return None;
    }
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

/// Reads a time without a sign, leading zeros or a fraction.
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
        fn what_is_written_is_read(mark: [u8; 16], until: u32, before in proptest::option::of(any::<u32>()), at in 0..100_000_000_000_000_u64, call: u64, what in 0_u8..5, by in ".{0,20}") {
            let kind = before.map_or(RevocationKind::Token, |before| RevocationKind::Holder { before: UnixSeconds(before.into()) });
            let of = Of { what: What::from_number(what).unwrap(), ..Of::default() };
            let note = (at > 0).then(|| Arc::new(Note { call: CallId(call), by: by.into(), of }));
            let revoked = RevocationRecord { mark: Mark(mark), kind, until: UnixSeconds(until.into()), at, note };
            let lifted = RevocationRecord { kind: RevocationKind::Lifted, ..revoked.clone() };
            for record in [revoked, lifted] {
                let read = (record.at > 0 || record.kind != RevocationKind::Lifted).then(|| record.clone());
                prop_assert_eq!(read_line(line(&record).as_bytes()), read.clone());
                prop_assert_eq!(read_member(member(&record).as_bytes(), score(&record).to_string().as_bytes()), read);
            }
        }

        #[test]
        fn nothing_else_is_read(line in "[0-9]{0,12}\\.?[thlx]?\\.?[0-9a-fA-F]{0,34}\\.?[0-9+-]{0,12}(\\.[0-9]{0,15}\\.[0-9a-f]{16}\\.[0-9][A-Za-z]{0,4})?") {
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
        let record = RevocationRecord::new(
            Mark([7; 16]),
            RevocationKind::Token,
            UnixSeconds(u64::MAX / 1000),
        );
        assert_eq!(line(&record), format!("{}.t.{}", u32::MAX, "07".repeat(16)));
    }
}
