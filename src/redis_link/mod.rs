//! Connections to Redis and Valkey: TCP, TLS where it is asked for, name and password; with a bound
//! on each answer.
//!
//! The files: [`mod@connect`] (opens a connection), [`bounded`] (what is read), [`schedule`] (when
//! to try again).

mod bounded;
mod connect;
pub(crate) mod schedule;

pub(crate) use bounded::BoundedConnection;
pub(crate) use connect::{LinkError, connect};
