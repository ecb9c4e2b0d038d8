//! HTTP/1 framing that cannot be read two ways, checked on the bytes before the parser sees them.
//!
//! The parser is lenient where RFC 9112 allows it: a bare LF ends a line, `Transfer-Encoding`
//! silently beats `Content-Length`. A proxy in front of the gateway may read the same bytes the
//! other way, and then the rest of one client's body is another client's request. So this module
//! follows the framing of each message, and refuses a message with two readings. It never builds a
//! message: names, values and everything else are the parser's.

/// Follows one connection's requests.
#[derive(Debug, PartialEq, Eq)]
pub struct Framing {
    state: FramingState,
    /// The part of a line that came with an earlier read.
    carried: Vec<u8>,
    content_length: Option<u64>,
    chunked: bool,
    /// The bytes of the last request line so far.
    request_line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FramingState {
    RequestLine,
    Headers,
    Fixed(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
}

/// A framing that has two readings, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("a line ends with LF without CR")]
    BareLineFeed,
    #[error("a header continues on the next line (obs-fold)")]
    FoldedHeader,
    #[error("Content-Length is not one number")]
    ContentLength,
    #[error("Content-Length and Transfer-Encoding in one request")]
    TwoFramings,
    #[error("Transfer-Encoding is not exactly \"chunked\"")]
    TransferEncoding,
    #[error("a chunk is not framed as RFC 9112 section 7.1 says")]
    Chunk,
    #[error("a line that decides the framing is too long")]
    LongLine,
    #[error("the request target has a fragment (\"#\")")]
    Fragment,
    #[error("the request is of a version of HTTP/1 after 1.1")]
    Version,
}

/// The longest line that is carried over several reads. A longer line cannot be a framing header,
/// whose values are short.
const MOST_CARRIED: usize = 256;
/// Bytes that are kept of the end of a longer line: more than ` HTTP/1.1` with its CRLF.
const CARRIED_END: usize = 16;

impl Default for Framing {
    fn default() -> Self {
        Self {
            state: FramingState::RequestLine,
            carried: Vec::new(),
            content_length: None,
            chunked: false,
            request_line: 0,
        }
    }
}

impl Framing {
    /// Looks at the next bytes of the connection.
    pub fn inspect(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            bytes = match self.state {
                FramingState::Fixed(left) => {
                    self.skip(bytes, left, FramingState::Fixed, FramingState::RequestLine)
                }
                FramingState::ChunkData(left) => {
                    self.skip(bytes, left, FramingState::ChunkData, FramingState::ChunkEnd)
                }
                FramingState::RequestLine
                | FramingState::Headers
                | FramingState::ChunkSize
                | FramingState::ChunkEnd
                | FramingState::Trailers => self.line(bytes)?,
            };
        }
        Ok(())
    }

    /// Returns the length of the last request line, or of its part that has come.
    pub fn request_line(&self) -> usize {
        self.request_line
    }

    /// Tells whether the next byte begins a message.
    pub fn is_between_messages(&self) -> bool {
        self.state == FramingState::RequestLine && self.carried.is_empty()
    }

    fn skip<'b>(
        &mut self,
        bytes: &'b [u8],
        left: u64,
        more: fn(u64) -> FramingState,
        done: FramingState,
    ) -> &'b [u8] {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left.saturating_sub(taken as u64);
        self.state = if left == 0 { done } else { more(left) };
        bytes.get(taken..).unwrap_or_default()
    }

    /// Takes one line, or carries its beginning over to the next read.
    fn line<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Violation> {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.look_at_target(bytes)?;
            self.carry(bytes)?;
            return Ok(&[]);
        };
        let (line, rest) = bytes.split_at_checked(end.saturating_add(1)).unwrap_or((bytes, &[]));
        self.look_at_target(line)?;
        if self.carried.is_empty() {
            self.check_length(line)?;
            self.whole_line(line)?;
        } else {
            self.carry(line)?;
            let carried = std::mem::take(&mut self.carried);
            self.whole_line(&carried)?;
            self.carried = carried;
            self.carried.clear();
        }
        Ok(rest)
    }

    /// Refuses a fragment, which the parser would cut in silence, in a request line or a part of
    /// one.
    fn look_at_target(&mut self, part: &[u8]) -> Result<(), Violation> {
        if self.state != FramingState::RequestLine {
            return Ok(());
        }
        let before = if self.carried.is_empty() { 0 } else { self.request_line };
        self.request_line = before.saturating_add(part.len());
        if memchr::memchr(b'#', part).is_some() { Err(Violation::Fragment) } else { Ok(()) }
    }

    /// Keeps the parts of a line that a later decision needs: its beginning and its last bytes.
    fn carry(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.carried.extend_from_slice(bytes);
        self.check_length(&self.carried)?;
        if self.carried.len() > MOST_CARRIED {
            let end = self.carried.len().saturating_sub(CARRIED_END);
            self.carried.drain(MOST_CARRIED.saturating_sub(CARRIED_END)..end);
        }
        Ok(())
    }

    /// Checks also lines that came in one read, so that the verdict does not depend on the ends of
    /// reads.
    fn check_length(&self, line: &[u8]) -> Result<(), Violation> {
        let may_be_long = match self.state {
            FramingState::RequestLine | FramingState::Headers | FramingState::Trailers => {
                !decides_framing(line)
            }
            FramingState::Fixed(_)
            | FramingState::ChunkSize
            | FramingState::ChunkData(_)
            | FramingState::ChunkEnd => false,
        };
        if line.len() <= MOST_CARRIED || may_be_long { Ok(()) } else { Err(Violation::LongLine) }
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let text = line.strip_suffix(b"\r\n").ok_or(Violation::BareLineFeed)?;
        match self.state {
            // empty lines before a request line are skipped (RFC 9112 section 2.2)
            FramingState::RequestLine => {
                if !text.is_empty() {
                    check_version(text)?;
                    self.content_length = None;
                    self.chunked = false;
                    self.state = FramingState::Headers;
                }
            }
            FramingState::Headers if text.is_empty() => self.state = self.body()?,
            FramingState::Headers => self.header(text)?,
            FramingState::ChunkSize => {
                let size = chunk_size(text).ok_or(Violation::Chunk)?;
                self.state =
                    if size == 0 { FramingState::Trailers } else { FramingState::ChunkData(size) };
            }
            FramingState::ChunkEnd if text.is_empty() => self.state = FramingState::ChunkSize,
            FramingState::ChunkEnd => return Err(Violation::Chunk),
            FramingState::Trailers if text.is_empty() => self.state = FramingState::RequestLine,
            FramingState::Trailers => folded(text)?,
            FramingState::Fixed(_) | FramingState::ChunkData(_) => {}
        }
        Ok(())
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Violation> {
        folded(line)?;
        if let Some(value) = value_of(line, b"content-length") {
            let length = decimal(value).ok_or(Violation::ContentLength)?;
            if self.content_length.replace(length).is_some() {
                return Err(Violation::ContentLength);
            }
        } else if let Some(value) = value_of(line, b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Violation::TransferEncoding);
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn body(&self) -> Result<FramingState, Violation> {
        match (self.content_length, self.chunked) {
            (Some(_), true) => Err(Violation::TwoFramings),
            (None, true) => Ok(FramingState::ChunkSize),
            (None | Some(0), false) => Ok(FramingState::RequestLine),
            (Some(length), false) => Ok(FramingState::Fixed(length)),
        }
    }
}

/// Refuses HTTP/1.2 and later by name. The parser refuses other versions, and texts that are no
/// version.
fn check_version(line: &[u8]) -> Result<(), Violation> {
    match line {
        [.., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => {
            Err(Violation::Version)
        }
        _ => Ok(()),
    }
}

fn folded(line: &[u8]) -> Result<(), Violation> {
    match line.first() {
        Some(b' ' | b'\t') => Err(Violation::FoldedHeader),
        _ => Ok(()),
    }
}

fn decides_framing(line: &[u8]) -> bool {
    starts_with(line, b"content-length") || starts_with(line, b"transfer-encoding")
}

fn starts_with(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// The value of a header of this name. White space before the colon still counts as this header
/// here; the parser refuses it.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    if !starts_with(line, name) {
        return None;
    }
    let rest = line.get(name.len()..)?.trim_ascii_start();
    rest.strip_prefix(b":").map(<[u8]>::trim_ascii)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Reads the size in a chunk's first line; extensions are allowed and dropped by the parser.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extension) = line.split_at_checked(end)?;
    read_extensions(extension)?;
    // sixteen digits are the most that fit; the top bit stays free for the parser's own sums
    let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (size <= i64::MAX.unsigned_abs()).then_some(size)
}

/// RFC 9112 section 7.1.1: `*( BWS ";" BWS name [ BWS "=" BWS value ] )`.
fn read_extensions(mut rest: &[u8]) -> Option<()> {
    while !rest.is_empty() {
        let name = skip_blanks(rest).strip_prefix(b";")?;
        rest = after_token(skip_blanks(name))?;
        if let Some(value) = skip_blanks(rest).strip_prefix(b"=") {
            let value = skip_blanks(value);
            rest = match value.strip_prefix(b"\"") {
                Some(text) => after_quoted(text)?,
                None => after_token(value)?,
            };
        }
    }
    Some(())
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

/// Returns the rest behind a token of at least one character.
fn after_token(text: &[u8]) -> Option<&[u8]> {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = text.iter().position(|byte| !in_token(byte)).unwrap_or(text.len());
    if end == 0 { None } else { text.get(end..) }
}

/// Returns the rest behind a quoted string.
fn after_quoted(mut text: &[u8]) -> Option<&[u8]> {
    let is_text = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', escaped, rest @ ..] if is_text(*escaped) => rest,
            [byte, rest @ ..] if *byte != b'\\' && is_text(*byte) => rest,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests;
