//! Tokens that only their server can read (RFC 7662, and RFC 9701 where it signs): asked about
//! once, remembered for a while.
//!
//! Decides how long an answer holds and how many questions are asked at a time; never what a token
//! opens. A question belongs to all who wait for it: requests with one token share it, and it goes
//! on when the first of them leaves. A server that does not answer makes no token bad: that is the
//! gateway's trouble, and is told as such.
//!
//! The walk through the files: [`introspector`] (which questions are asked, and how long answers
//! hold), [`server`] (one question and its answer), [`outcome`] and [`pending`] (what comes of it),
//! [`client_authentication`] (how the gateway authenticates), [`probe`] (a question of a command).

mod breaker;
mod client_authentication;
mod introspector;
mod outcome;
mod pending;
pub mod probe;
mod server;

pub use introspector::Introspector;
pub use outcome::{IntrospectionAnswer, IntrospectionOutcome, IntrospectionPurpose};
pub use pending::{PendingAnswer, Recheck};
