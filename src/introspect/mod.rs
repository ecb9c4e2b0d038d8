//! Tokens that only their server can read (RFC 7662, and RFC 9701 for signed answers): asked about
//! once, remembered for a while.
//!
//! Decides how long an answer holds and how many questions are asked at a time; never what a token
//! opens. All requests with one token share a question, and it goes on when the first of them
//! leaves. If a server does not answer, that makes no token bad: the client gets an error of the
//! gateway.
//!
//! The walk through the files: [`introspector`] (questions, and the life of answers), [`server`]
//! (one question and its answer), [`outcome`] and [`pending`] (results), [`client_authentication`]
//! (the gateway's credentials), [`probe`] (a question of a command).

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
