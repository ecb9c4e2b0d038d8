//! The exit codes of all commands.

/// Yes: it worked, it is allowed, it is ready.
pub(super) const OK: u8 = 0;

/// No: it failed, it is refused, or a server does not answer.
pub(super) const FAILED: u8 = 1;

/// The configuration, the command line, or a file that they name is wrong.
pub(super) const CONFIGURATION: u8 = 2;
