//! Exit codes, the same for every command.

/// Yes: it worked, it is allowed, it is ready.
pub(super) const OK: u8 = 0;

/// No: it did not work, it is refused, a server does not answer.
pub(super) const FAILED: u8 = 1;

/// The configuration, the command line or what it names is wrong.
pub(super) const CONFIGURATION: u8 = 2;
