//! Reads the frame headers of a backend's HTTP/2 connection on their way to the library, for events
//! that the library does not report.
//!
//! It tells when the backend's settings arrive, and whether anything arrives at all. It also counts
//! the interim answers of each stream, because the library keeps or drops them without a bound. It
//! never builds a frame and never reads a payload.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::forward::early_hints;

const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;

/// Streams whose heads are counted. Streams that the gateway gave up leave their count behind, so
/// the table is emptied when it holds more: a connection carries far fewer streams at a time.
const MOST_COUNTED: usize = 1024;

/// The observations of one connection.
#[derive(Debug, Default)]
pub(super) struct Observation {
    reads: Cell<u64>,
    settings: Cell<bool>,
    flooded: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    reader: RefCell<Reader>,
}

#[derive(Debug, Default)]
struct Reader {
    /// Bytes of a payload that are still to come.
    skip: usize,
    /// The header of a frame, as far as it came.
    header: [u8; HEADER],
    came: usize,
    /// Heads without an end, by stream: all but the last are interim answers.
    heads: HashMap<u32, u32>,
}

/// The meaning of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ObservedFrame {
    Nothing,
    Settings,
    Flood,
}

impl Observation {
    /// Changes whenever something arrives.
    pub(super) fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// The backend sent more interim answers on one stream than it may.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.get()
    }

    /// Tells whether the backend's settings came since the last call.
    pub(super) fn take_settings(&self) -> bool {
        self.settings.take()
    }

    /// Wakes this task when the backend's settings come.
    pub(super) fn wakes(&self, waker: &Waker) {
        let mut own = self.waker.borrow_mut();
        if own.as_ref().is_none_or(|own| !own.will_wake(waker)) {
            *own = Some(waker.clone());
        }
    }

    fn inspect(&self, bytes: &[u8]) -> io::Result<()> {
        self.reads.set(self.reads.get().wrapping_add(1));
        match self.reader.borrow_mut().inspect(bytes) {
            ObservedFrame::Nothing => Ok(()),
            ObservedFrame::Settings => {
                self.settings.set(true);
                if let Some(waker) = &*self.waker.borrow() {
                    waker.wake_by_ref();
                }
                Ok(())
            }
            ObservedFrame::Flood => {
                self.flooded.set(true);
                Err(io::Error::other("too many interim answers on one stream"))
            }
        }
    }
}

impl Reader {
    fn inspect(&mut self, mut bytes: &[u8]) -> ObservedFrame {
        let mut told = ObservedFrame::Nothing;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip = self.skip.saturating_sub(skipped);
            let rest = bytes.get(skipped..).unwrap_or_default();
            let room = self.header.get_mut(self.came..).unwrap_or_default();
            let taken = room.len().min(rest.len());
            if taken == 0 {
                return told;
            }
            for (to, from) in room.iter_mut().zip(rest) {
                *to = *from;
            }
            self.came = self.came.saturating_add(taken);
            bytes = rest.get(taken..).unwrap_or_default();
            if self.came == HEADER {
                self.came = 0;
                match self.frame() {
                    ObservedFrame::Nothing => {}
                    ObservedFrame::Settings => told = ObservedFrame::Settings,
                    ObservedFrame::Flood => return ObservedFrame::Flood,
                }
            }
        }
    }

    fn frame(&mut self) -> ObservedFrame {
        let [high, middle, low, kind, flags, number @ ..] = self.header;
        self.skip = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or_default();
        let stream = u32::from_be_bytes(number);
        match kind {
            SETTINGS if flags & ACK == 0 => ObservedFrame::Settings,
            HEADERS if flags & END_STREAM == 0 => self.head(stream),
            HEADERS | DATA | RST_STREAM => {
                if !self.heads.is_empty() {
                    self.heads.remove(&stream);
                }
                ObservedFrame::Nothing
            }
            _ => ObservedFrame::Nothing,
        }
    }

    fn head(&mut self, stream: u32) -> ObservedFrame {
        if self.heads.len() >= MOST_COUNTED {
            self.heads.clear();
        }
        let heads = self.heads.entry(stream).or_default();
        *heads = heads.saturating_add(1);
        // the last one may be the answer's own
        if *heads > early_hints::MOST.saturating_add(1) {
            ObservedFrame::Flood
        } else {
            ObservedFrame::Nothing
        }
    }
}

/// A connection whose incoming frames are observed.
#[derive(Debug)]
pub(super) struct Observed<S> {
    stream: S,
    observation: Rc<Observation>,
}

impl<S> Observed<S> {
    pub(super) fn new(stream: S, observation: &Rc<Observation>) -> Self {
        Self { stream, observation: Rc::clone(observation) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = read {
            self.observation.inspect(buffer.filled().get(before..).unwrap_or_default())?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        bytes.resize(HEADER + usize::from(length), 0xee);
        bytes
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let bytes = [frame(HEADERS, 4, 1, 7), frame(SETTINGS, ACK, 0, 0), frame(SETTINGS, 0, 0, 6)]
            .concat();
        for size in 1..bytes.len() {
            let mut reader = Reader::default();
            let told: Vec<ObservedFrame> =
                bytes.chunks(size).map(|part| reader.inspect(part)).collect();
            assert_eq!(
                told.iter().filter(|told| **told == ObservedFrame::Settings).count(),
                1,
                "{size}"
            );
            assert_eq!((reader.skip, reader.came, reader.heads[&1]), (0, 0, 1), "{size}");
        }
    }

    #[test]
    fn a_stream_may_have_some_interim_answers_and_no_more() {
        let mut reader = Reader::default();
        let interim = frame(HEADERS, 4, 1, 1);
        for _ in 0..=early_hints::MOST {
            assert_eq!(reader.inspect(&interim), ObservedFrame::Nothing);
            assert_eq!(reader.inspect(&frame(HEADERS, 4, 3, 1)), ObservedFrame::Nothing);
            assert_eq!(
                reader.inspect(&frame(DATA, 0, 3, 1)),
                ObservedFrame::Nothing,
                "another stream"
            );
        }
        assert_eq!(reader.inspect(&interim), ObservedFrame::Flood);
    }

    #[test]
    fn the_count_of_a_stream_ends_with_it_and_is_bounded() {
        let mut reader = Reader::default();
        for (kind, flags) in [(HEADERS, END_STREAM), (DATA, 0), (RST_STREAM, 0)] {
            reader.inspect(&frame(HEADERS, 4, 1, 1));
            reader.inspect(&frame(kind, flags, 1, 4));
            assert!(reader.heads.is_empty());
        }
        for stream in 0..5000_u32 {
            reader.head(stream);
        }
        assert!(reader.heads.len() <= MOST_COUNTED);
    }
}
