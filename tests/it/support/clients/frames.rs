//! [`Frames`]: HTTP/2 by hand. Frames of any kind, right or wrong, and what comes back; RFC 9113 and RFC 7541.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;

use crate::support::within;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;

/// Patterns of a flood in one write.
const AT_ONCE: usize = 100;

/// What a frame holds at most, as long as the peer's settings do not say otherwise.
const MOST_PAYLOAD: usize = 16 * 1024;

pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// One frame as it came.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) payload: Vec<u8>,
}

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A request's head in one frame.
pub(crate) fn request(
    stream: u32,
    flags: u8,
    method: &str,
    path: &str,
    more: &[(&str, &str)],
) -> Vec<u8> {
    frame(kind::HEADERS, flags | END_HEADERS, stream, &block(method, path, more))
}

/// A request's head in as many frames as it needs.
pub(crate) fn long_request(
    stream: u32,
    flags: u8,
    method: &str,
    path: &str,
    more: &[(&str, &str)],
) -> Vec<u8> {
    let block = block(method, path, more);
    let parts = block.chunks(MOST_PAYLOAD);
    let last = parts.len() - 1;
    let kinds =
        std::iter::once((kind::HEADERS, flags)).chain(std::iter::repeat((kind::CONTINUATION, 0)));
    let frames = parts.zip(kinds).enumerate().map(|(at, (part, (kind, flags)))| {
        let end = if at == last { END_HEADERS } else { 0 };
        frame(kind, flags | end, stream, part)
    });
    frames.flatten().collect()
}

/// The fields of a request, each a literal without indexing.
pub(crate) fn block(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let first =
        [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost")];
    first
        .iter()
        .chain(more)
        .flat_map(|(name, value)| [vec![0], text(name), text(value)].concat())
        .collect()
}

/// A string without Huffman coding.
fn text(value: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    match value.len() {
        length @ 0..127 => bytes.push(u8::try_from(length).expect("seven bits")),
        length => {
            bytes.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).expect("seven bits") | 128);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).expect("seven bits"));
        }
    }
    bytes.extend(value.as_bytes());
    bytes
}

/// One connection.
pub(crate) struct Frames {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

/// What became of a flood.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    /// How often the pattern was sent, about: some of it stayed in buffers.
    pub(crate) sent: usize,
    /// The peer ended the connection.
    pub(crate) ended: bool,
    /// The error code of a GOAWAY, which a reset of the connection may have destroyed.
    pub(crate) goaway: Option<u32>,
}

impl Frames {
    /// With the preface and these settings already sent.
    pub(crate) async fn open(address: SocketAddr, settings: &[(u16, u32)]) -> io::Result<Frames> {
        let tcp = within("connect", TcpStream::connect(address)).await?;
        tcp.set_nodelay(true)?;
        let (reader, writer) = tcp.into_split();
        let mut frames = Frames { reader: BufReader::new(reader), writer };
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        frames
            .send(
                [
                    PREFACE,
                    &frame(kind::SETTINGS, 0, 0, &payload),
                    &frame(kind::SETTINGS, ACK, 0, &[]),
                ]
                .concat(),
            )
            .await?;
        Ok(frames)
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("send", self.writer.write_all(bytes.as_ref())).await
    }

    /// The next frame; `None` at the end of the connection, however it came.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        within("a frame", next(&mut self.reader)).await
    }

    /// The next frame of that kind.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            match self.next().await {
                Some(frame) if frame.kind != kind => {}
                found => return found,
            }
        }
    }

    /// Sends what `pattern` makes of 0, 1, 2.. up to `most` while reading whatever comes, until the peer ends the
    /// connection or `patience` has passed after the last.
    pub(crate) async fn flood(
        self,
        most: usize,
        patience: Duration,
        pattern: impl Fn(usize) -> Vec<u8>,
    ) -> Flood {
        let Frames { mut reader, mut writer } = self;
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut goaway = None;
            while let Some(frame) = next(&mut reader).await {
                if frame.kind == kind::GOAWAY {
                    goaway = frame
                        .payload
                        .get(4..8)
                        .map(|code| u32::from_be_bytes(code.try_into().expect("four bytes")));
                }
            }
            goaway
        });
        let mut flood = Flood::default();
        while flood.sent < most {
            let batch: Vec<u8> = (flood.sent..flood.sent + AT_ONCE).flat_map(&pattern).collect();
            match tokio::time::timeout(patience, writer.write_all(&batch)).await {
                Ok(Ok(())) => flood.sent += AT_ONCE,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        if let Ok(ended) = tokio::time::timeout(patience, reading.join_next()).await {
            flood.ended = true;
            flood.goaway = ended.and_then(Result::ok).flatten();
        }
        flood
    }
}

async fn next(reader: &mut BufReader<OwnedReadHalf>) -> Option<Frame> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, ..] = head;
    let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
    reader.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind, payload })
}
