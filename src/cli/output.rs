//! The output of commands; no other file prints.

use std::io::{IsTerminal, Write};

use crate::config::ReportStyle;

/// Standard output for results, standard error for problems.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// The look of reports.
    pub style: ReportStyle,
}

#[expect(clippy::unused_self, reason = "commands write through the output that they are given")]
impl Output {
    pub(super) fn of_process() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colored = !plain && std::io::stderr().is_terminal();
        Self { style: if colored { ReportStyle::Colored } else { ReportStyle::Plain } }
    }

    /// Writes a line of the result. A closed pipe (`| head`) is no error.
    pub(super) fn line(self, text: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Writes a line for people.
    pub(super) fn note(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
