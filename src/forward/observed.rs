//! Reads the frame headers of a backend's HTTP/2 connection on their way to the library, for events
//! that the library does not report.
//!
//! It tells when the backend's settings arrive, and whether anything arrives at all. It also counts
//! the interim answers of each stream, because the library keeps or drops them without a bound. It
//! never builds a frame and never reads a payload.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::task::Waker;

use crate::forward::early_hints;
use crate::http2_frames::{
    ACK, DATA, END_STREAM, FrameHead, FrameHeads, HEADERS, RST_STREAM, SETTINGS,
};
use crate::inspected_stream::Inspect;

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
    frames: FrameHeads,
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
}

impl Inspect for Observation {
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
        while let Some(frame) = self.frames.next(&mut bytes) {
            match self.frame(frame) {
                ObservedFrame::Nothing => {}
                ObservedFrame::Settings => told = ObservedFrame::Settings,
                ObservedFrame::Flood => return ObservedFrame::Flood,
            }
        }
        told
    }

    fn frame(&mut self, FrameHead { kind, flags, stream, .. }: FrameHead) -> ObservedFrame {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2_frames::tests::frame;

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
            assert_eq!(reader.heads[&1], 1, "{size}");
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
