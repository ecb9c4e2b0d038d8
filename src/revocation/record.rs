//! One revocation: what it is about as a hash, and for how long it counts.

use aws_lc_rs::digest::{Context, SHA256};

use crate::model::clock::UnixSeconds;

/// The beginning of a SHA-256 over what is revoked and whose it is: equal ids of two key managers have two marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(pub [u8; 16]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    pub mark: Mark,
    pub kind: Kind,
    /// When the last token that it concerns has expired.
    pub until: UnixSeconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One token.
    Token,
    /// All tokens that were issued to somebody up to this moment.
    Holder { before: UnixSeconds },
}

impl Mark {
    /// The whole token, whoever issued it.
    pub fn of_token(token: &[u8]) -> Self {
        Self::of("token", &[token])
    }

    /// `jti`.
    pub fn of_id(key_manager: &str, id: &str) -> Self {
        Self::of("jti", &[key_manager.as_bytes(), id.as_bytes()])
    }

    pub fn of_client(key_manager: &str, consumer_key: &str) -> Self {
        Self::of("client", &[key_manager.as_bytes(), consumer_key.as_bytes()])
    }

    pub fn of_subject(key_manager: &str, subject: &str) -> Self {
        Self::of("subject", &[key_manager.as_bytes(), subject.as_bytes()])
    }

    /// Each part with its length, so that no two lists of parts read the same.
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

/// Bytes of a record in the journal.
pub const RECORD_BYTES: usize = 33;

impl Record {
    pub fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let (tag, before) = match self.kind {
            Kind::Token => (1, 0),
            Kind::Holder { before } => (2, before.0),
        };
        let mut bytes = [0; RECORD_BYTES];
        let fields =
            [&[tag][..], &self.mark.0, &self.until.0.to_be_bytes(), &before.to_be_bytes()].concat();
        bytes.copy_from_slice(&fields);
        bytes
    }

    /// `None` for what no version has written.
    pub fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (mark, rest) = rest.split_first_chunk::<16>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let before = UnixSeconds(u64::from_be_bytes(*rest.first_chunk::<8>()?));
        let kind = match tag {
            1 => Kind::Token,
            2 => Kind::Holder { before },
            _ => return None,
        };
        Some(Self { mark: Mark(*mark), kind, until: UnixSeconds(u64::from_be_bytes(*until)) })
    }
}
