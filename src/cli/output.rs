//! Where commands write: the only room that prints.

use std::io::{IsTerminal, Write};

/// Standard output for results, standard error for what went wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// Whether reports may use colors.
    pub color: bool,
}

#[expect(clippy::unused_self, reason = "commands write through what they are handed")]
impl Output {
    pub(super) fn of_process() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { color: !plain && std::io::stderr().is_terminal() }
    }

    /// A line of the result. A reader that left (`| head`) is no error.
    pub(super) fn line(self, text: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// A line for people.
    pub(super) fn note(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
