//! Early hints (RFC 8297): passes a backend's 103 to a client of HTTP/1.1, ahead of the answer.
//!
//! Other interim answers end here: 100 is the gateway's own to send, and 101 is an upgrade. HTTP/2
//! clients get no hints, because the library that serves them cannot send one. All interim answers
//! are counted: a backend may send [`MOST`] for one request.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use http::{HeaderMap, StatusCode, header};

use crate::forward::headers;

/// The most interim answers to one request. A server that sends 102 while it works repeats it every
/// 20 seconds (RFC 2518 section 10.1), so this is enough for twenty minutes. Hints come once or
/// twice.
pub const MOST: u32 = 64;

/// The most bytes of hints for one request; further hints are dropped.
const MOST_BYTES: usize = 16 * 1024;

/// The interim answers that a connection must send before its answer.
#[derive(Debug, Default)]
pub struct Interim {
    /// True if the client cannot get hints.
    mute: bool,
    taken: AtomicU32,
    waiting: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    waker: Option<Waker>,
}

impl Interim {
    /// Makes a receiver that counts hints, for a client that cannot get any.
    pub fn mute() -> Self {
        Self { mute: true, ..Self::default() }
    }

    pub fn is_mute(&self) -> bool {
        self.mute
    }

    /// A request is sent: its interim answers are counted from 0.
    pub fn begin(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    /// The backend sent more than [`MOST`] for this request.
    pub fn is_flooded(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > MOST
    }

    /// Takes a backend's interim answer.
    pub fn take(&self, status: StatusCode, hints: &HeaderMap) {
        let taken = self.taken.load(Ordering::Relaxed).saturating_add(1);
        self.taken.store(taken, Ordering::Relaxed);
        if taken > MOST {
            if let Some(waker) = &self.inner.lock().unwrap_or_else(PoisonError::into_inner).waker {
                waker.wake_by_ref();
            }
            return;
        }
        if self.mute || status != StatusCode::EARLY_HINTS {
            return;
        }
        let mut hints = hints.clone();
        headers::strip_response(&mut hints);
        // an interim answer has no body, and must not speak of one (RFC 9110 section 8.6)
        hints.remove(header::CONTENT_LENGTH);
        let mut head = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
        for (name, value) in &hints {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.bytes.len().saturating_add(head.len()) > MOST_BYTES {
            return;
        }
        inner.bytes.extend_from_slice(&head);
        self.waiting.store(true, Ordering::Release);
        if let Some(waker) = &inner.waker {
            waker.wake_by_ref();
        }
    }

    /// Tells whether there is something to send; cheap, for every look at a connection.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// The connection's task, which is always the same.
    pub fn wakes(&self, waker: &Waker) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.waker.get_or_insert_with(|| waker.clone());
    }

    /// Hands the bytes to `write`, which returns how many of them it took.
    pub fn write<E>(&self, mut write: impl FnMut(&[u8]) -> Result<usize, E>) -> Result<(), E> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while !inner.bytes.is_empty() {
            let taken = write(&inner.bytes)?.min(inner.bytes.len());
            inner.bytes.drain(..taken);
        }
        self.waiting.store(false, Ordering::Release);
        Ok(())
    }
}
