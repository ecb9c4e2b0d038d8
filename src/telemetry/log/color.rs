//! Tells terminals from files.

/// Colors are for people's terminals, not for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Color {
    Plain,
    Ansi,
}
