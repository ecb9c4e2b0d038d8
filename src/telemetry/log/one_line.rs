//! Keeps a text event on one line. A line feed inside a value (an error of a peer, a file's
//! content) is shown as `\n`, so that no peer can write events by sending them. JSON does that by
//! itself.

use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::color::Color;

/// Wraps where events go.
#[derive(Debug)]
pub(super) struct OneLine<W> {
    writer: W,
    color: Color,
}

/// One event in progress; the formatter hands it over in one piece.
#[derive(Debug)]
pub(super) struct EventLine<W> {
    writer: W,
    color: Color,
}

impl<W> OneLine<W> {
    pub(super) fn new(writer: W, color: Color) -> Self {
        Self { writer, color }
    }
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for OneLine<W> {
    type Writer = EventLine<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        EventLine { writer: self.writer.make_writer(), color: self.color }
    }

    fn make_writer_for(&'w self, metadata: &Metadata<'_>) -> Self::Writer {
        EventLine { writer: self.writer.make_writer_for(metadata), color: self.color }
    }
}

impl<W: Write> Write for EventLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event.strip_suffix(b"\n").unwrap_or(event));
        let mut line = String::with_capacity(text.len() + 1);
        let mut rest = &*text;
        while let Some(character) = rest.chars().next() {
            let (first, after) = rest.split_at(character.len_utf8());
            if is_unsafe(character) && !self.is_own_color(rest) {
                line.extend(character.escape_default());
            } else {
                line.push_str(first);
            }
            rest = after;
        }
        line.push('\n');
        self.writer.write_all(line.as_bytes()).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl<W> EventLine<W> {
    /// The formatter does not escape every value, so its colors are known by their sequence. A
    /// value may carry one of these too: it colors a line and hides nothing.
    fn is_own_color(&self, text: &str) -> bool {
        self.color == Color::Ansi
            && FORMATTER_COLORS.iter().any(|sequence| text.starts_with(sequence))
    }
}

fn is_unsafe(character: char) -> bool {
    match character {
        '\t' => false,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

/// Reset, bold, dimmed, italic, and the color of each level.
const FORMATTER_COLORS: [&str; 9] = [
    "\u{1b}[0m",
    "\u{1b}[1m",
    "\u{1b}[2m",
    "\u{1b}[3m",
    "\u{1b}[31m",
    "\u{1b}[32m",
    "\u{1b}[33m",
    "\u{1b}[34m",
    "\u{1b}[35m",
];
