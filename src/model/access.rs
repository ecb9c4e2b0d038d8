//! Compares two configurations by access: the applications that gain or lose operations.
//!
//! [`state`] is one configuration, reduced to the facts that decide access. [`addresses`] are the
//! operations of an API as a caller names them. [`difference`](mod@difference) compares two states,
//! and [`change`] is one line of the result. Operations are compared as they are written. One that
//! is removed beside a wider one, such as `/accounts/42` beside `/accounts/*`, counts as lost.

mod addresses;
mod change;
mod difference;
mod state;

#[cfg(test)]
mod tests;

pub use change::{AccessChange, AccessHolder, AccessTurn};
pub use difference::{AccessDifference, Among};
pub use state::AccessState;
