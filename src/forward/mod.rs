//! The way to a backend and back.
//!
//! The walk through the files: [`headers`] strips what ends at this hop and what only the gateway may say, then adds what
//! the gateway says, with [`forwarded`] (who the client is), [`via`] (this hop, loops) and [`trace`] (request id and trace
//! context).

pub mod forwarded;
pub mod headers;
pub mod trace;
pub mod via;
