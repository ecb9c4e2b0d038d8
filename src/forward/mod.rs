//! The way to a backend and back.
//!
//! Decides what a backend is sent, on which connection, and what is sent again. Takes only what was admitted.
//!
//! The walk through the files: [`headers`] strips what ends at this hop and what only the gateway may say, then adds what
//! the gateway says, with [`forwarded`] (who the client is, by the [`chain`] of proxies), [`via`] (this hop, loops) and [`trace`] (request id and trace
//! context); [`balance`] says which target is asked, [`send`] asks it in the form of [`addressing`], on a connection of [`pool`] or a new one of [`connect`], on the
//! way that [`reach`] finds to an address of [`dns`] (with [`search`]), driven as [`driver`] says, or shared as
//! [`multiplexed`] says, which [`observed`] watches; [`replay`]
//! keeps what can be sent again; [`health`] checks targets; [`extended_connect`] asks backends of HTTP/2 for
//! a WebSocket; [`framing`] checks how answers are framed; [`early_hints`] passes early hints; [`location`] puts the client's
//! address in place of the backend's; [`body`] streams both ways;
//! [`failure`] says why there was no answer.

mod addressing;
pub mod balance;
pub mod body;
mod chain;
mod connect;
mod counted;
pub mod dns;
mod driver;
pub mod early_hints;
mod extended_connect;
pub mod failure;
pub mod forwarded;
pub mod framing;
pub mod headers;
pub mod health;
pub mod location;
mod multiplexed;
mod observed;
pub mod pool;
pub mod reach;
mod replay;
mod search;
pub mod send;
pub mod trace;
pub mod via;
