//! Connections to backends, kept by each worker for itself.
//!
//! Decides which open connection is used again and how long an idle one is kept. HTTP/1.1
//! connections are a stack: the one used last is the one least likely to be closed. HTTP/2
//! connections are shared by their streams, as many as the backend allows; when all are full
//! another connection is opened, and beyond a bound requests wait for a stream. Nothing is shared
//! between workers, so nothing is locked.

pub(super) mod lease;
mod pools;
mod shared;
mod target_pool;

pub use crate::forward::pool::pools::{ConnectionPurpose, Pools};
