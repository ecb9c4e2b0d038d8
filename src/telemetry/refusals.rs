//! Remembers the last refusals, so that an operator can ask about one by the id that its client was
//! given.
//!
//! Bounded in number, bytes and time. The claims of a token are kept without the signature, so that
//! they open nothing. Written only when a request was refused.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::clock::Moment;
use crate::model::reason::Reason;
use crate::telemetry::UnixMillis;

const MOST: usize = 10_000;
const MOST_BYTES: usize = 16 * 1024 * 1024;
const LONGEST: Duration = Duration::from_hours(1);

/// The longest kept text; longer ones are cut.
const MOST_TEXT: usize = 512;
/// The longest kept token.
const MOST_TOKEN: usize = 4096;

/// A request that was refused.
#[derive(Debug, Clone)]
pub struct Remembered {
    pub id: Box<str>,
    pub at: Moment,
    pub time: UnixMillis,
    pub reason: Reason,
    pub status: u16,
    /// The operator's message.
    pub message: Box<str>,
    pub method: Box<str>,
    pub host: Box<str>,
    /// The path without its query.
    pub path: Box<str>,
    pub client: IpAddr,
    /// The API with its version.
    pub api: Option<Box<str>>,
    pub operation: Option<Box<str>>,
    pub key_manager: Option<Box<str>>,
    pub application: Option<Box<str>>,
    pub consumer_key: Option<Box<str>>,
    pub token: Option<Unsigned>,
}

/// Header and payload of a JWT, without its signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsigned(Box<[u8]>);

/// The last refusals of all workers.
#[derive(Debug, Default)]
pub struct Refusals {
    kept: Mutex<RefusalRing>,
}

#[derive(Debug, Default)]
struct RefusalRing {
    ring: VecDeque<Remembered>,
    bytes: usize,
}

/// The counts for `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefusalFacts {
    pub count: u64,
    pub bytes: u64,
}

impl Unsigned {
    /// Reads a compact JWS. Returns `None` for any other token, and for one that is too long to
    /// keep.
    pub fn of(token: &[u8]) -> Option<Self> {
        let end = memchr::memrchr(b'.', token)?;
        let (signed, _) = token.split_at_checked(end)?;
        let dots = memchr::memchr_iter(b'.', signed).count();
        (dots == 1 && signed.len() <= MOST_TOKEN).then(|| Self(signed.into()))
    }

    /// `header.payload`.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Unsigned {
    /// Shows no claims: they are for the caller of `explain`, not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsigned").field("bytes", &self.0.len()).finish()
    }
}

impl Remembered {
    /// A text of bounded length.
    pub fn text(text: &str) -> Box<str> {
        text.get(..text.floor_char_boundary(MOST_TEXT)).unwrap_or_default().into()
    }

    fn bytes(&self) -> usize {
        let optional =
            [&self.api, &self.operation, &self.key_manager, &self.application, &self.consumer_key];
        let optional: usize = optional.into_iter().flatten().map(|text| text.len()).sum();
        let texts = [&self.id, &self.message, &self.method, &self.host, &self.path];
        let texts: usize = texts.into_iter().map(|text| text.len()).sum();
        let token = self.token.as_ref().map_or(0, |token| token.0.len());
        size_of::<Self>().saturating_add(optional).saturating_add(texts).saturating_add(token)
    }
}

impl Refusals {
    pub fn keep(&self, refusal: Remembered) {
        let now = refusal.at;
        let mut kept = self.lock();
        kept.bytes = kept.bytes.saturating_add(refusal.bytes());
        kept.ring.push_back(refusal);
        kept.forget(now);
    }

    /// The refusal with this id, if it is remembered.
    pub fn find(&self, id: &str, now: Moment) -> Option<Remembered> {
        let mut kept = self.lock();
        kept.forget(now);
        // an id that a client chose may come again: the last one is meant
        kept.ring.iter().rev().find(|refusal| &*refusal.id == id).cloned()
    }

    /// Forgets entries older than an hour.
    pub fn forget_old(&self, now: Moment) {
        self.lock().forget(now);
    }

    pub fn facts(&self) -> RefusalFacts {
        let kept = self.lock();
        RefusalFacts { count: kept.ring.len() as u64, bytes: kept.bytes as u64 }
    }

    fn lock(&self) -> MutexGuard<'_, RefusalRing> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefusalRing {
    fn forget(&mut self, now: Moment) {
        while let Some(oldest) = self.ring.front()
            && (self.ring.len() > MOST || self.bytes > MOST_BYTES || now.since(oldest.at) > LONGEST)
        {
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
            self.ring.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(id: &str, at: u64, token: Option<Unsigned>) -> Remembered {
        let text = Remembered::text;
        Remembered {
            id: text(id),
            at: Moment(at),
            time: UnixMillis(0),
            reason: Reason::TokenExpired,
            status: 401,
            message: text("m"),
            method: text("GET"),
            host: text("h"),
            path: text("/p"),
            client: IpAddr::from([127, 0, 0, 1]),
            api: None,
            operation: None,
            key_manager: None,
            application: None,
            consumer_key: None,
            token,
        }
    }

    #[test]
    fn number_bytes_and_time_are_bounded() {
        let refusals = Refusals::default();
        for number in 0..=MOST {
            refusals.keep(refusal(&number.to_string(), 0, None));
        }
        assert_eq!(refusals.facts().count, MOST as u64);
        assert!(refusals.find("0", Moment(0)).is_none() && refusals.find("1", Moment(0)).is_some());
        let hour = u64::try_from(LONGEST.as_millis()).unwrap();
        refusals.keep(refusal("late", hour + 1, None));
        assert_eq!(refusals.facts().count, 1);
        assert!(refusals.find("late", Moment(hour + 1)).is_some());
        refusals.forget_old(Moment(3 * hour));
        assert_eq!(refusals.facts(), RefusalFacts::default());
        let token = format!("{}.{}.c2ln", "a".repeat(2000), "b".repeat(2000));
        for number in 0..MOST {
            let token = Unsigned::of(token.as_bytes());
            refusals.keep(refusal(&number.to_string(), 4 * hour, token));
        }
        let facts = refusals.facts();
        assert!(facts.bytes <= MOST_BYTES as u64 && facts.count > 1000, "{facts:?}");
    }

    #[test]
    fn a_token_is_kept_without_its_signature() {
        assert_eq!(Unsigned::of(b"aa.bb.cc").unwrap().bytes(), b"aa.bb");
        assert!(!format!("{:?}", Unsigned::of(b"aa.bb.cc")).contains("aa"));
        for opaque in [&b"opaque"[..], b"a.b", b"a.b.c.d.e", b""] {
            assert_eq!(Unsigned::of(opaque), None);
        }
        assert_eq!(Unsigned::of(format!("a.{}.c", "b".repeat(5000)).as_bytes()), None);
    }
}
