//! HTTP/2 frames, followed by their nine-byte headers only, on the bytes before the library sees
//! them.
//!
//! The library bounds the memory that a client can take, and the work that it can cause with
//! streams, CONTINUATION and DATA. It answers PING and SETTINGS, and reads PRIORITY, WINDOW_UPDATE
//! and unknown frames, for as long as a client sends them. And a stream that was accepted and is
//! reset costs a backend its connection. So frames that carry no request spend an allowance, which
//! time and the gateway's own answers fill. A client that is being served never comes near its end.
//! This module also knows whether a head has begun and not ended. It never builds a frame and never
//! looks at a payload.

use thiserror::Error;

use crate::http2_frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameHead, FrameHeads, HEADERS, RST_STREAM,
    SETTINGS, WINDOW_UPDATE,
};

/// Follows the frames of one client.
#[derive(Debug)]
pub(super) struct FrameFollower {
    frames: FrameHeads,
    head: HeaderBlock,
    allowance: u32,
    /// The tick at which time last added to the allowance.
    filled: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeaderBlock {
    No,
    /// Frames of it are to come; or the connection is new, and owes its settings.
    Open,
    /// The rest of the last frame is to come.
    Ending,
}

/// The client has spent its allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more frames that ask for nothing than a client has a use for")]
pub(super) struct Flood;

const PREFACE: usize = 24;

/// The allowance that a connection begins with, and can save: the resets of a thousand streams,
/// four thousand pings.
const MOST: u32 = 256 * 1024;

/// The allowance that a tick of 50 ms adds: 390 resets, 1,500 pings a second.
const EACH_TICK: u32 = 5_000;

/// A stream that is answered with as much, and then reset, was no attack.
const RESET_COST: u32 = 256;

/// More than the 17 bytes of a pong, which also count as an answer.
const CONTROL_COST: u32 = 64;

/// A client may send two for each frame of ours, and the smallest that makes it is ten bytes long.
const WINDOW_COST: u32 = 4;

impl FrameFollower {
    pub(super) fn new(now: u64) -> Self {
        Self {
            frames: FrameHeads::after(PREFACE),
            head: HeaderBlock::Open,
            allowance: MOST,
            filled: now,
        }
    }

    /// Looks at the next bytes of the connection.
    pub(super) fn inspect(&mut self, mut bytes: &[u8], now: u64) -> Result<(), Flood> {
        self.fill(now);
        while let Some(frame) = self.frames.next(&mut bytes) {
            self.frame(frame)?;
        }
        Ok(())
    }

    /// A head has begun, or the connection has only just, and the rest has not come.
    pub(super) fn within_head(&self) -> bool {
        match self.head {
            HeaderBlock::No => false,
            HeaderBlock::Open => true,
            HeaderBlock::Ending => self.frames.is_within_payload(),
        }
    }

    /// Notes bytes that went to the client.
    pub(super) fn answered(&mut self, bytes: usize) {
        self.allowance =
            self.allowance.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX)).min(MOST);
    }

    fn fill(&mut self, now: u64) {
        let ticks = u32::try_from(now.saturating_sub(self.filled)).unwrap_or(u32::MAX);
        self.filled = now;
        self.allowance = self.allowance.saturating_add(ticks.saturating_mul(EACH_TICK)).min(MOST);
    }

    fn frame(&mut self, frame: FrameHead) -> Result<(), Flood> {
        let FrameHead { kind, flags, length, .. } = frame;
        self.head = match kind {
            HEADERS | CONTINUATION if flags & END_HEADERS == 0 => HeaderBlock::Open,
            HEADERS | CONTINUATION => HeaderBlock::Ending,
            // every client sends it first
            SETTINGS => HeaderBlock::No,
            _ if self.head == HeaderBlock::Open => HeaderBlock::Open,
            _ => HeaderBlock::No,
        };
        self.allowance = self.allowance.checked_sub(cost(kind, flags, length)).ok_or(Flood)?;
        Ok(())
    }
}

fn cost(kind: u8, flags: u8, length: u32) -> u32 {
    match kind {
        // a request, or a part of one
        HEADERS | CONTINUATION => 0,
        DATA if length > 0 || flags & END_STREAM != 0 => 0,
        RST_STREAM => RESET_COST,
        WINDOW_UPDATE => WINDOW_COST,
        _ => CONTROL_COST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2_frames::tests::frame as frame_of;

    const PING: u8 = 6;
    const MOST_PINGS: u32 = MOST / CONTROL_COST;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        frame_of(kind, flags, 1, length)
    }

    fn opened() -> FrameFollower {
        let mut frames = FrameFollower::new(0);
        frames.inspect(&[0; PREFACE], 0).unwrap();
        frames
    }

    /// Takes some of these, at most `most`, and returns their number.
    fn taken(frames: &mut FrameFollower, bytes: &[u8], most: u32) -> u32 {
        (0..most).take_while(|_| frames.inspect(bytes, 0).is_ok()).count().try_into().unwrap()
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let bytes = [
            vec![0; PREFACE],
            frame(SETTINGS, 0, 6),
            frame(HEADERS, 0, 200),
            frame(PING, 0, 8),
            frame(CONTINUATION, 4, 1),
        ]
        .concat();
        for size in 1..bytes.len() {
            let mut frames = FrameFollower::new(0);
            for part in bytes.chunks(size) {
                frames.inspect(part, 0).unwrap();
            }
            assert!(!frames.within_head(), "{size}");
            assert_eq!(frames.allowance, MOST - 2 * CONTROL_COST, "{size}");
        }
    }

    #[test]
    fn a_head_is_open_from_its_first_frame_to_its_last() {
        let mut frames = FrameFollower::new(0);
        assert!(frames.within_head(), "a new connection owes its settings");
        frames.inspect(&[0; PREFACE], 0).unwrap();
        assert!(frames.within_head());
        for (bytes, open) in [
            (frame(SETTINGS, 0, 0), false),
            (frame(HEADERS, END_HEADERS, 1), false),
            (frame(HEADERS, 0, 1), true),
            (frame(CONTINUATION, 0, 1), true),
            (frame(CONTINUATION, END_HEADERS, 1), false),
            (frame(PING, END_HEADERS, 8), false),
        ] {
            frames.inspect(&bytes, 0).unwrap();
            assert_eq!(frames.within_head(), open, "{bytes:?}");
        }
        let whole = frame(HEADERS, END_HEADERS, 9);
        let (most, last) = whole.split_at(whole.len() - 1);
        frames.inspect(most, 0).unwrap();
        assert!(frames.within_head());
        frames.inspect(last, 0).unwrap();
        assert!(!frames.within_head());
    }

    #[test]
    fn frames_that_ask_for_nothing_come_to_an_end() {
        for (bytes, most) in [
            (frame(PING, 0, 8), MOST_PINGS),
            (frame(SETTINGS, 0, 0), MOST_PINGS),
            (frame(2, 0, 5), MOST_PINGS),
            (frame(200, 0, 0), MOST_PINGS),
            (frame(DATA, 0, 0), MOST_PINGS),
            (frame(WINDOW_UPDATE, 0, 4), MOST / WINDOW_COST),
            (frame(RST_STREAM, 0, 4), MOST / RESET_COST),
        ] {
            assert_eq!(taken(&mut opened(), &bytes, MOST), most, "{bytes:?}");
        }
    }

    #[test]
    fn requests_and_bodies_cost_nothing() {
        let bytes = [frame(HEADERS, END_HEADERS, 9), frame(DATA, 0, 1), frame(DATA, END_STREAM, 0)]
            .concat();
        let mut frames = opened();
        taken(&mut frames, &bytes, 1000);
        assert_eq!(frames.allowance, MOST);
    }

    #[test]
    fn time_and_answers_fill_the_allowance_and_no_more() {
        let settings = frame(SETTINGS, 0, 0);
        let mut frames = opened();
        assert_eq!(taken(&mut frames, &settings, u32::MAX), MOST_PINGS);
        frames.answered(10 * 64);
        assert_eq!(taken(&mut frames, &settings, u32::MAX), 10);
        frames.inspect(&[], 3).unwrap();
        frames.filled = 0;
        assert_eq!(taken(&mut frames, &settings, u32::MAX), 3 * EACH_TICK / CONTROL_COST);
        frames.answered(usize::MAX);
        frames.inspect(&[], u64::MAX).unwrap();
        assert_eq!(frames.allowance, MOST);
    }

    #[test]
    fn pongs_do_not_pay_for_pings_and_small_answers_pay_for_their_windows() {
        let mut frames = opened();
        let mut pings = 0;
        while frames.inspect(&frame(PING, 0, 8), 0).is_ok() {
            frames.answered(17);
            pings += 1;
        }
        assert!(pings < 2 * MOST_PINGS, "{pings}");
        let mut frames = opened();
        for _ in 0..MOST {
            frames
                .inspect(&[frame(WINDOW_UPDATE, 0, 4), frame(WINDOW_UPDATE, 0, 4)].concat(), 0)
                .unwrap();
            frames.answered(10);
        }
    }
}
