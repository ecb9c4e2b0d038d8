//! Finds the frames of an HTTP/2 connection by their nine-byte headers (RFC 9113 section 4.1), in
//! bytes that come in pieces of any size. It never builds a frame and never reads a payload.

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

const HEADER: usize = 9;

/// The header of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    pub length: u32,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

/// The position in the frames of one connection.
#[derive(Debug, Default)]
pub struct FrameHeads {
    /// Bytes to pass over: of the preface at first, then of a payload.
    skip: usize,
    /// The header of a frame, as far as it came.
    header: [u8; HEADER],
    came: usize,
}

impl FrameHeads {
    /// Begins before a preface of so many bytes.
    pub fn after(preface: usize) -> Self {
        Self { skip: preface, ..Self::default() }
    }

    /// Takes the bytes up to the end of the next header, and returns it. Returns `None` once all
    /// bytes are taken.
    #[inline]
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<FrameHead> {
        let skipped = self.skip.min(bytes.len());
        self.skip = self.skip.saturating_sub(skipped);
        let rest = bytes.get(skipped..).unwrap_or_default();
        let room = self.header.get_mut(self.came..).unwrap_or_default();
        let taken = room.len().min(rest.len());
        for (to, from) in room.iter_mut().zip(rest) {
            *to = *from;
        }
        self.came = self.came.saturating_add(taken);
        *bytes = rest.get(taken..).unwrap_or_default();
        if self.came < HEADER {
            return None;
        }
        self.came = 0;
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        let length = u32::from_be_bytes([0, high, middle, low]);
        self.skip = usize::try_from(length).unwrap_or(usize::MAX);
        Some(FrameHead { length, kind, flags, stream: u32::from_be_bytes(stream) })
    }

    /// Tells whether bytes of the last frame's payload are still to come.
    pub fn is_within_payload(&self) -> bool {
        self.skip > 0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One frame, with a payload that no reader looks at.
    pub(crate) fn frame(kind: u8, flags: u8, stream: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        bytes.resize(HEADER + usize::from(length), 0xee);
        bytes
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let bytes = [
            vec![0; 24],
            frame(SETTINGS, ACK, 0, 0),
            frame(HEADERS, END_HEADERS, 1, 200),
            frame(CONTINUATION, 0, 3, 1),
        ]
        .concat();
        for size in 1..=bytes.len() {
            let (mut heads, mut found) = (FrameHeads::after(24), Vec::new());
            for mut part in bytes.chunks(size) {
                while let Some(head) = heads.next(&mut part) {
                    found.push((head.kind, head.flags, head.stream, head.length));
                }
                assert!(part.is_empty(), "all is taken");
            }
            let wanted =
                [(SETTINGS, ACK, 0, 0), (HEADERS, END_HEADERS, 1, 200), (CONTINUATION, 0, 3, 1)];
            assert_eq!(found, wanted, "{size}");
            assert!(!heads.is_within_payload() && heads.came == 0, "{size}");
        }
    }
}
