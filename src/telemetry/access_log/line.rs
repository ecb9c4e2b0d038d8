//! A record as one line: a JSON object, or `name=value` pairs for people.
//!
//! No value can end the line or command a terminal. Beside the characters that JSON escapes, the
//! other control characters and the marks that turn the direction of text are written as `\uXXXX`,
//! in both formats. Nearly every value needs none of that: a look at its bytes shows so, and it is
//! copied. The others are left to `serde_json`.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::token_hash::TokenHash;
use crate::model::gateway::LogFormat;

/// The mark of a cut.
const CUT_MARK: &str = "\u{2026}";

/// The text before a value, with the opening quote of a string; numbers use all but that quote.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldName {
    json: &'static str,
    text: &'static str,
}

impl FieldName {
    pub(super) const fn new(json: &'static str, text: &'static str) -> Self {
        Self { json, text }
    }
}

/// A field's name in both formats.
macro_rules! name {
    ($name:literal) => {
        $crate::telemetry::access_log::line::FieldName::new(
            concat!(",\"", $name, "\":\""),
            concat!(" ", $name, "=\""),
        )
    };
}
pub(super) use name;

/// Fields that many lines share: written with the first line, copied into the others. They must
/// never change.
#[derive(Debug, Default)]
pub struct Fragment(OnceLock<Box<[u8]>>);

/// A line that is being written behind others.
#[derive(Debug)]
pub(super) struct LogLine<'l> {
    lines: &'l mut Vec<u8>,
    format: LogFormat,
}

impl<'l> LogLine<'l> {
    /// Every line begins with its time.
    pub(super) fn begin(lines: &'l mut Vec<u8>, format: LogFormat, time: &str) -> Self {
        let lead = match format {
            LogFormat::Json => "{\"time\":\"",
            LogFormat::Text => "time=\"",
        };
        lines.extend_from_slice(lead.as_bytes());
        lines.extend_from_slice(time.as_bytes());
        lines.push(b'"');
        Self { lines, format }
    }

    pub(super) fn end(self) {
        let end: &[u8] = match self.format {
            LogFormat::Json => b"}\n",
            LogFormat::Text => b"\n",
        };
        self.lines.extend_from_slice(end);
    }

    /// Fields that may have been written before.
    pub(super) fn kept(&mut self, fragment: Option<&Fragment>, write: impl FnOnce(&mut Self)) {
        if let Some(written) = fragment.and_then(|fragment| fragment.0.get()) {
            self.lines.extend_from_slice(written);
            return;
        }
        let start = self.lines.len();
        write(self);
        if let Some(fragment) = fragment {
            // of two workers that write the same one will do
            let _ = fragment.0.set(self.lines.get(start..).unwrap_or_default().into());
        }
    }

    /// Writes a string of the gateway's own; nothing if it is empty.
    pub(super) fn text(&mut self, name: FieldName, text: &str) {
        if !text.is_empty() {
            self.quoted(name, text, "");
        }
    }

    /// Writes at most so many bytes of a string that a client chose; nothing if it is empty.
    pub(super) fn cut(&mut self, name: FieldName, text: &str, bytes: usize) {
        let kept = text.get(..text.floor_char_boundary(bytes)).unwrap_or(text);
        if !text.is_empty() {
            self.quoted(name, kept, if kept.len() < text.len() { CUT_MARK } else { "" });
        }
    }

    /// Writes a word that needs no escape.
    pub(super) fn word(&mut self, name: FieldName, word: &'static str) {
        self.lead(name);
        self.lines.extend_from_slice(word.as_bytes());
        self.lines.push(b'"');
    }

    pub(super) fn flag(&mut self, name: FieldName, flag: bool) {
        self.lead_number(name);
        self.lines.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    pub(super) fn number(&mut self, name: FieldName, number: u64) {
        self.lead_number(name);
        self.digits(number);
    }

    /// Writes milliseconds, to the microsecond.
    pub(super) fn milliseconds(&mut self, name: FieldName, duration: Duration) {
        self.lead_number(name);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.digits(microseconds / 1000);
        let digit = |place: u64| {
            b"0123456789"
                .get(usize::try_from(microseconds / place % 10).unwrap_or_default())
                .copied()
                .unwrap_or(b'0')
        };
        self.lines.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
    }

    pub(super) fn hash(&mut self, name: FieldName, TokenHash(hash): TokenHash) {
        self.lead(name);
        let digit = |four: u8| b"0123456789abcdef".get(usize::from(four)).copied().unwrap_or(b'0');
        for byte in hash {
            self.lines.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
        self.lines.push(b'"');
    }

    /// Digits that need no escape.
    pub(super) fn hexadecimal(&mut self, name: FieldName, digits: &[u8]) {
        self.lead(name);
        self.lines.extend_from_slice(digits);
        self.lines.push(b'"');
    }

    pub(super) fn socket(&mut self, name: FieldName, address: SocketAddr) {
        self.lead(name);
        match address {
            SocketAddr::V4(address) => {
                self.ipv4(*address.ip());
                self.lines.push(b':');
                self.digits(address.port().into());
            }
            // writing to memory cannot fail
            SocketAddr::V6(address) => drop(write!(self.lines, "{address}")),
        }
        self.lines.push(b'"');
    }

    pub(super) fn address(&mut self, name: FieldName, address: IpAddr) {
        self.lead(name);
        match address {
            IpAddr::V4(address) => self.ipv4(address),
            IpAddr::V6(address) => drop(write!(self.lines, "{address}")),
        }
        self.lines.push(b'"');
    }

    fn ipv4(&mut self, address: Ipv4Addr) {
        let [first, second, third, fourth] = address.octets();
        self.octet(first);
        for octet in [second, third, fourth] {
            self.lines.push(b'.');
            self.octet(octet);
        }
    }

    /// Writes up to three digits. `digits` copies a text of unknown length, which costs more.
    fn octet(&mut self, octet: u8) {
        let figure = |place: u8| b'0'.wrapping_add(octet / place % 10);
        if octet >= 100 {
            self.lines.push(figure(100));
        }
        if octet >= 10 {
            self.lines.push(figure(10));
        }
        self.lines.push(figure(1));
    }

    fn digits(&mut self, number: u64) {
        self.lines.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn lead(&mut self, name: FieldName) {
        let lead = match self.format {
            LogFormat::Json => name.json,
            LogFormat::Text => name.text,
        };
        self.lines.extend_from_slice(lead.as_bytes());
    }

    fn lead_number(&mut self, name: FieldName) {
        self.lead(name);
        self.lines.pop();
    }

    fn quoted(&mut self, name: FieldName, text: &str, end: &str) {
        self.lead(name);
        if is_plain(text.as_bytes()) {
            self.lines.extend_from_slice(text.as_bytes());
        } else {
            self.escaped(text);
        }
        self.lines.extend_from_slice(end.as_bytes());
        self.lines.push(b'"');
    }

    fn escaped(&mut self, text: &str) {
        // its quotes are the serializer's
        self.lines.pop();
        let start = self.lines.len();
        if text.serialize(&mut Serializer::with_formatter(&mut *self.lines, Escaping)).is_err() {
            self.lines.truncate(start);
            self.lines.extend_from_slice(b"\"\"");
        }
        self.lines.pop();
    }
}

/// Tells whether a text is printable ASCII without `"` and `\`. Eight bytes at a time, because most
/// of a line is checked here.
fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    words.iter().chain([&last]).all(|word| {
        let word = u64::from_le_bytes(*word);
        let every = |byte: u8| u64::from_le_bytes([byte; 8]);
        // a byte's high bit is set if the byte is zero, or was below `bound`; a byte above 0x7f is
        // refused separately
        let below = |word: u64, bound: u8| word.wrapping_sub(every(bound)) & !word;
        let is = |byte: u8| below(word ^ every(byte), 1);
        (word | below(word, b' ') | is(b'"') | is(b'\\') | is(0x7f)) & every(0x80) == 0
    })
}

/// Formats compact JSON with the wider escapes.
struct Escaping;

impl Formatter for Escaping {
    /// `fragment` has no character that JSON escapes by itself.
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = from.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Control characters (C1 and DEL too), line and paragraph separators, and marks of direction; all
/// within `\uXXXX`.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_plain_wherever_no_byte_of_it_needs_an_escape() {
        for byte in 0..=u8::MAX {
            let plain = matches!(byte, b' '..0x7f) && byte != b'"' && byte != b'\\';
            for length in 1..20 {
                for place in 0..length {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    assert_eq!(is_plain(&text), plain, "{byte:#x} at {place} of {length}");
                    // the neighbors of a byte must not hide it
                    let mut text = vec![b' '; length];
                    text[place] = byte;
                    assert_eq!(is_plain(&text), plain, "{byte:#x} at {place} of {length}");
                }
            }
        }
        assert!(is_plain(b""));
    }
}
