//! Compares two configurations by who can call what: which applications gain or lose which
//! operations.
//!
//! The files: [`state`] (one configuration, as far as it decides that), [`addresses`] (the
//! operations of an API as a caller names them), [`difference`](mod@difference) (two of them
//! compared), [`change`] (one line of the result).
//!
//! Operations are compared as they are written. One that is removed beside a wider one, such as
//! `/accounts/42` beside `/accounts/*`, counts as lost.

mod addresses;
mod change;
mod difference;
mod state;

#[cfg(test)]
mod tests;

pub use change::{AccessChange, AccessHolder, AccessTurn};
pub use difference::{AccessDifference, Among};
pub use state::AccessState;
