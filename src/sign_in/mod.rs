//! Signs people in on the management listener, and makes guessing slow.
//!
//! The management calls and the REST API share one bound, so that an attacker gains nothing by
//! turning from one to the other. [`password_checks`] checks passwords a few at a time and counts
//! wrong ones by address. [`remembered`] knows right passwords for a short time, and [`browser`]
//! tells calls of web pages from others.

mod browser;
mod password_checks;
mod remembered;

pub use browser::{BrowserCall, same_origin};
pub use password_checks::{PasswordChecks, PasswordFault, PasswordTurn, shown};
