//! Knows as much of WebSocket (RFC 6455) as the gateway needs: the end of a frame, the close of a
//! connection, and the answer to a handshake. Never looks into a message.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The status of a connection that the gateway's policy ends (section 7.4.1).
pub(super) const POLICY_VIOLATION: u16 = 1008;

/// The close status of a gateway that stops (section 7.4.1).
pub(super) const GOING_AWAY: u16 = 1001;

/// Follows the frames of one direction by their headers.
#[derive(Debug, Default)]
pub(super) struct WebSocketFrames {
    /// The header of the frame that is beginning.
    header: [u8; 14],
    read: usize,
    /// Bytes of the payload that are still to come.
    payload: u64,
}

impl WebSocketFrames {
    /// Tells whether no frame is in progress.
    pub(super) fn at_boundary(&self) -> bool {
        self.read == 0 && self.payload == 0
    }

    /// Takes bytes that have passed.
    pub(super) fn passed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.step(rest);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Counts the bytes up to the end of the frame that is under way; all of them if it does not
    /// end here.
    pub(super) fn until_boundary(&self, bytes: &[u8]) -> usize {
        let mut ahead = Self { header: self.header, read: self.read, payload: self.payload };
        let mut count = 0;
        while count < bytes.len() && !ahead.at_boundary() {
            count = count.saturating_add(ahead.step(bytes.get(count..).unwrap_or_default()));
        }
        count.min(bytes.len())
    }

    /// Reads one byte of a header, or as much of a payload as is there.
    fn step(&mut self, bytes: &[u8]) -> usize {
        if self.payload > 0 {
            let taken = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
            self.payload = self.payload.saturating_sub(taken as u64);
            return taken;
        }
        let (Some(byte), Some(place)) = (bytes.first(), self.header.get_mut(self.read)) else {
            return bytes.len().max(1);
        };
        *place = *byte;
        self.read = self.read.saturating_add(1);
        if let Some(payload) = payload_length(self.header.get(..self.read).unwrap_or_default()) {
            self.read = 0;
            self.payload = payload;
        }
        1
    }
}

/// The length of the payload, once the header is whole (section 5.2).
fn payload_length(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4_usize };
    let (extended, short) = match second & 0x7F {
        126 => (2_usize, None),
        127 => (8, None),
        length => (0, Some(u64::from(length))),
    };
    if header.len() < extended.saturating_add(mask).saturating_add(2) {
        return None;
    }
    let bytes = header.get(2..extended.saturating_add(2))?;
    Some(
        short.unwrap_or_else(|| {
            bytes.iter().fold(0, |length, byte| (length << 8) | u64::from(*byte))
        }),
    )
}

/// A server's close frame.
pub(super) fn close_frame(status: u16, reason: &str) -> Vec<u8> {
    const MOST_REASON: usize = 123;
    let reason = reason.as_bytes().get(..reason.len().min(MOST_REASON)).unwrap_or_default();
    let length = u8::try_from(reason.len().saturating_add(2)).unwrap_or(2);
    let mut frame = vec![0x88, length];
    frame.extend(status.to_be_bytes());
    frame.extend(reason);
    frame
}

/// A client's close frame: masked (section 5.3).
pub(super) fn masked_close_frame(status: u16, reason: &str, mask: [u8; 4]) -> Vec<u8> {
    const HEADER: usize = 2;
    let frame = close_frame(status, reason);
    let (header, payload) = frame.split_at_checked(HEADER).unwrap_or((&[], &[]));
    let mut masked: Vec<u8> = header.to_vec();
    if let Some(length) = masked.get_mut(1) {
        *length |= 0x80;
    }
    masked.extend(mask);
    masked.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    masked
}

/// Returns the answer to a handshake's key (section 4.2.2).
pub(super) fn accept(key: &str) -> String {
    const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()))
}

/// A handshake's key of 16 bytes.
pub(super) fn key(random: [u8; 16]) -> String {
    STANDARD.encode(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(close_frame(1008, "x"), [0x88, 3, 0x03, 0xF0, b'x']);
        assert_eq!(
            masked_close_frame(1001, "x", [1, 2, 3, 4]),
            [0x88, 0x83, 1, 2, 3, 4, 0x03 ^ 1, 0xE9 ^ 2, b'x' ^ 3]
        );
    }

    /// Frames of each length form, masked and not.
    fn stream() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (length, masked) in [
            (0_usize, false),
            (5, true),
            (125, false),
            (126, true),
            (300, false),
            (70_000, true),
            (0, true),
        ] {
            let mask = if masked { 0x80 } else { 0 };
            bytes.push(0x82);
            match length {
                0..=125 => bytes.push(mask | u8::try_from(length).unwrap()),
                126..=65_535 => {
                    bytes.push(mask | 0x7E);
                    bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
                }
                _ => {
                    bytes.push(mask | 0x7F);
                    bytes.extend((length as u64).to_be_bytes());
                }
            }
            bytes.extend(std::iter::repeat_n(0xAA, length + if masked { 4 } else { 0 }));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn boundaries_are_found_however_the_bytes_are_cut() {
        let (bytes, ends) = stream();
        for piece in [1, 2, 3, 7, 1000, 1_000_000] {
            let mut frames = WebSocketFrames::default();
            let mut passed = 0;
            for cut in bytes.chunks(piece) {
                frames.passed(cut);
                passed += cut.len();
                assert_eq!(frames.at_boundary(), ends.contains(&passed), "{piece}: {passed}");
            }
        }
        let mut frames = WebSocketFrames::default();
        frames.passed(&bytes[..3]);
        assert_eq!(frames.until_boundary(&bytes[3..]), ends[1] - 3);
        assert_eq!(frames.until_boundary(&bytes[3..5]), 2);
    }
}
