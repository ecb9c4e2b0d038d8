//! A record as one line: a JSON object, or `name=value` pairs for people.
//!
//! Nothing in a value can end the line or command a terminal: beside what JSON escapes, the other control characters and
//! the marks that turn the direction of text are written as `\uXXXX`, in both formats.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::model::gateway::LogFormat;

/// Appends the record and a line feed.
pub(super) fn append(lines: &mut Vec<u8>, format: LogFormat, record: &impl Serialize) {
    let start = lines.len();
    let written = match format {
        LogFormat::Json => record.serialize(&mut Serializer::with_formatter(&mut *lines, Json)),
        LogFormat::Text => record.serialize(&mut Serializer::with_formatter(&mut *lines, Text { in_name: false })),
    };
    match written {
        Ok(()) => lines.push(b'\n'),
        // memory takes every byte, and a record has no value that JSON cannot say: never half a line all the same
        Err(_) => lines.truncate(start),
    }
}

/// Compact JSON with the wider escapes.
struct Json;

impl Formatter for Json {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_escaped(writer, fragment)
    }
}

/// `name="value" name=1.5`: JSON's own spelling of values, without its braces, commas and quoted names.
struct Text {
    in_name: bool,
}

impl Formatter for Text {
    fn begin_object<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.in_name = true;
        if first { Ok(()) } else { writer.write_all(b" ") }
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.in_name = false;
        Ok(())
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"=")
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.in_name { Ok(()) } else { CompactFormatter.begin_string(writer) }
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.in_name { Ok(()) } else { CompactFormatter.end_string(writer) }
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_escaped(writer, fragment)
    }
}

/// `fragment` has no character that JSON escapes by itself.
fn write_escaped<W: ?Sized + Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
    if fragment.bytes().all(|byte| byte < 0x7f) {
        return writer.write_all(fragment.as_bytes());
    }
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

/// Control characters (C1 and DEL too), line and paragraph separators, and marks of direction; all within `\uXXXX`.
fn is_unsafe(character: char) -> bool {
    character.is_control() || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
