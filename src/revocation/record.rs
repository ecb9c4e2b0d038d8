//! One revocation, or the lifting of one: a hash of its object, its end, its author and its time.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use crate::model::clock::UnixSeconds;

/// The beginning of a SHA-256 over the revoked object and its scope: equal ids of two issuers have
/// two marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(pub [u8; 16]);

/// One revocation, as it is kept and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRecord {
    pub mark: Mark,
    pub kind: RevocationKind,
    /// The time at which the last token that it concerns has expired.
    pub until: UnixSeconds,
    /// The time of the call, in milliseconds since 1970. 0 in records of builds that bound
    /// revocations to a key manager's name.
    pub at: u64,
    pub note: Option<Arc<Note>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationKind {
    /// One token.
    Token,
    /// All tokens that a client or a subject got up to this moment.
    Holder { before: UnixSeconds },
    /// Takes back every revocation of the mark up to [`RevocationRecord::at`].
    Lifted,
}

/// The facts about a revocation that people ask for. It holds no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The id of the call: the same for all of its marks, and for a repetition of the call.
    pub call: CallId,
    /// The user who made the call.
    pub by: Box<str>,
    pub of: Of,
}

/// The kind of the revoked object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Of {
    pub what: What,
    /// The issuer that it is bound to; empty for a token and where only a hash is known.
    pub issuer: Box<str>,
    /// The `jti`, consumer key or subject; empty for a token and where only a hash is known.
    pub value: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum What {
    #[default]
    Unknown,
    Token,
    Id,
    Client,
    Subject,
}

/// Names one call by the revocations that it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

impl Mark {
    /// Makes the mark of the whole token, for any issuer.
    pub fn of_token(token: &[u8]) -> Self {
        Self::of("token", &[token])
    }

    /// `jti`.
    pub fn of_id(issuer: &str, id: &str) -> Self {
        Self::of("jti", &[issuer.as_bytes(), id.as_bytes()])
    }

    pub fn of_client(issuer: &str, consumer_key: &str) -> Self {
        Self::of("client", &[issuer.as_bytes(), consumer_key.as_bytes()])
    }

    pub fn of_subject(issuer: &str, subject: &str) -> Self {
        Self::of("subject", &[issuer.as_bytes(), subject.as_bytes()])
    }

    /// Hashes each part with its length, so that no two lists of parts are the same.
    fn of(kind: &str, parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in [kind.as_bytes()].iter().chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let digest = context.finish();
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl CallId {
    /// The name of a call that revoked these.
    pub fn of(marks: impl Iterator<Item = Mark>) -> Self {
        let mut marks: Vec<_> = marks.collect();
        marks.sort();
        marks.dedup();
        match marks.as_slice() {
            [one] => Self::of_mark(one),
            many => {
                let mut context = Context::new(&SHA256);
                for mark in many {
                    context.update(&mark.0);
                }
                let digest = context.finish();
                Self(u64::from_be_bytes(digest.as_ref().first_chunk().copied().unwrap_or_default()))
            }
        }
    }

    /// Returns the name of a call if only the mark is known.
    pub fn of_mark(mark: &Mark) -> Self {
        Self(u64::from_be_bytes(mark.0.first_chunk().copied().unwrap_or_default()))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 16
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        plain.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl std::fmt::Display for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl What {
    const ALL: [Self; 5] = [Self::Unknown, Self::Token, Self::Id, Self::Client, Self::Subject];

    /// Returns its name in `POST /revocations`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Token => "token",
            Self::Id => "jti",
            Self::Client => "consumer_key",
            Self::Subject => "subject",
        }
    }

    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Bytes of a record of earlier builds.
pub const OLD_RECORD_BYTES: usize = 33;

/// The longest text of a note; more is cut.
const MOST_TEXT: usize = 512;

/// The longest record: the fixed part and three texts with their lengths.
pub const MOST_RECORD_BYTES: usize = 64 + 3 * (MOST_TEXT + 2);

impl RevocationRecord {
    /// Makes a record without the notes for people.
    pub fn new(mark: Mark, kind: RevocationKind, until: UnixSeconds) -> Self {
        Self { mark, kind, until, at: 0, note: None }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let (tag, before) = match self.kind {
            RevocationKind::Token => (1_u8, 0),
            RevocationKind::Holder { before } => (2, before.0),
            RevocationKind::Lifted => (3, 0),
        };
        let mut bytes = Vec::with_capacity(128);
        bytes.push(tag);
        bytes.extend(self.mark.0);
        for number in [self.until.0, before, self.at] {
            bytes.extend(number.to_be_bytes());
        }
        if let Some(note) = &self.note {
            bytes.extend(note.call.0.to_be_bytes());
            bytes.push(note.of.what as u8);
            for text in [&note.by, &note.of.issuer, &note.of.value] {
                let text = cut(text);
                bytes.extend(u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
                bytes.extend(text.as_bytes());
            }
        }
        bytes
    }

    /// Returns `None` for bytes that no version has written.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (mark, rest) = rest.split_first_chunk::<16>()?;
        let (until, rest) = number(rest)?;
        let (before, rest) = number(rest)?;
        let (at, rest) = number(rest)?;
        let kind = kind(*tag, before)?;
        let note = if rest.is_empty() { None } else { Some(Arc::new(note(rest)?)) };
        Some(Self { mark: Mark(*mark), kind, until: UnixSeconds(until), at, note })
    }

    /// A record of an earlier build.
    pub fn from_old_bytes(bytes: &[u8; OLD_RECORD_BYTES]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (mark, rest) = rest.split_first_chunk::<16>()?;
        let (until, rest) = number(rest)?;
        let (before, _) = number(rest)?;
        let kind = kind(*tag, before).filter(|kind| *kind != RevocationKind::Lifted)?;
        Some(Self::new(Mark(*mark), kind, UnixSeconds(until)))
    }

    /// Returns the call that made it.
    pub fn call(&self) -> CallId {
        self.note.as_ref().map_or_else(|| CallId::of_mark(&self.mark), |note| note.call)
    }
}

fn kind(tag: u8, before: u64) -> Option<RevocationKind> {
    match tag {
        1 => Some(RevocationKind::Token),
        2 => Some(RevocationKind::Holder { before: UnixSeconds(before) }),
        3 => Some(RevocationKind::Lifted),
        _ => None,
    }
}

fn note(bytes: &[u8]) -> Option<Note> {
    let (call, rest) = number(bytes)?;
    let (what, rest) = rest.split_first()?;
    let (by, rest) = text(rest)?;
    let (issuer, rest) = text(rest)?;
    let (value, rest) = text(rest)?;
    let of = Of { what: What::from_number(*what)?, issuer, value };
    rest.is_empty().then_some(Note { call: CallId(call), by, of })
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}

fn text(bytes: &[u8]) -> Option<(Box<str>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((std::str::from_utf8(text).ok()?.into(), rest))
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MOST_TEXT)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(mark: [u8; 16], until: u64, before: u64, at: u64, tag in 0..3, by in ".{0,40}", value in proptest::option::of(".{0,40}"), what in 0_u8..5) {
            let kind = [RevocationKind::Token, RevocationKind::Lifted, RevocationKind::Holder { before: UnixSeconds(before) }][usize::try_from(tag).unwrap()];
            let note = value.map(|value| {
                let of = Of { what: What::from_number(what).unwrap(), issuer: "https://is".into(), value: value.into() };
                Arc::new(Note { call: CallId(until), by: by.into(), of })
            });
            let record = RevocationRecord { mark: Mark(mark), kind, until: UnixSeconds(until), at, note };
            let bytes = record.to_bytes();
            prop_assert!(bytes.len() <= MOST_RECORD_BYTES);
            prop_assert_eq!(RevocationRecord::from_bytes(&bytes), Some(record));
        }

        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            let _ = RevocationRecord::from_bytes(&bytes);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let of = Of { value: "ü".repeat(2 * MOST_TEXT).into(), ..Of::default() };
        let note = Note { call: CallId(1), by: "x".repeat(5000).into(), of };
        let mut record =
            RevocationRecord::new(Mark([1; 16]), RevocationKind::Token, UnixSeconds(1));
        record.note = Some(Arc::new(note));
        let read = RevocationRecord::from_bytes(&record.to_bytes()).unwrap().note.unwrap();
        assert_eq!(
            (read.by.len(), &*read.of.value),
            (MOST_TEXT, "ü".repeat(MOST_TEXT / 2).as_str())
        );
    }

    #[test]
    fn a_call_is_named_by_what_it_revoked() {
        let (one, two) = (Mark::of_token(b"1"), Mark::of_token(b"2"));
        let both = CallId::of([one, two].into_iter());
        assert_eq!(both, CallId::of([two, one, two].into_iter()));
        assert_ne!(both, CallId::of([one].into_iter()));
        assert_eq!(CallId::parse(&both.to_string()), Some(both));
        for bad in ["", "x", "00000000000000000", "+000000000000000", "000000000000000A"] {
            assert_eq!(CallId::parse(bad), None, "{bad}");
        }
    }
}
