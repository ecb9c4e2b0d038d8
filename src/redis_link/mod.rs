//! Connections to Redis and Valkey: TCP, TLS if it is configured, name and password; with a bound
//! on each answer.
//!
//! The files: [`mod@connect`] (opens a connection), [`bounded`] (bounds answers), [`schedule`]
//! (times of new attempts).

mod bounded;
mod connect;
pub(crate) mod schedule;

pub(crate) use bounded::BoundedConnection;
pub(crate) use connect::{LinkError, connect};
