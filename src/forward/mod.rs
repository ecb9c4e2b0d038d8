//! The way to a backend and back. Decides the content of the backend's request, its connection, and
//! the repetition of failed attempts. Takes only admitted requests.
//!
//! [`headers`] strips the fields that end at this hop and the ones that only the gateway may set.
//! Then it adds the gateway's own, with [`forwarded`] (the client, by the [`chain`] of proxies),
//! [`via`] (this hop, loops) and [`trace`] (request id, trace context). [`targets`] chooses a
//! target by [`balance`] and makes an [`attempt`] on it; [`resend`] decides which requests are sent
//! again, and [`kept_request`] keeps them for it. An attempt takes a connection of [`pool`] or a
//! new one of [`connect`], on the way that [`reachable_address`] finds to an address of [`dns`]
//! (with [`dns_search`]); [`send`] sends in the form of [`addressing`]. Connections are
//! [`http1_connection`], driven by [`driver`], or [`multiplexed`], watched by [`observed`].
//! [`health_checks`] checks targets, [`extended_connect`] asks backends of HTTP/2 for a WebSocket,
//! [`framing`] checks the framing of answers, [`early_hints`] passes early hints, [`location`] puts
//! the client's address in place of the backend's, [`body`] streams both ways, and [`failure`] has
//! the reasons for missing answers.

mod addressing;
mod attempt;
mod balance;
pub mod body;
mod chain;
mod connect;
mod counted_stream;
pub mod dns;
mod dns_search;
mod driver;
pub mod early_hints;
mod extended_connect;
pub mod failure;
pub mod forwarded;
pub mod forwarder;
mod framing;
pub mod headers;
pub mod health_checks;
mod http1_connection;
mod in_flight;
mod kept_request;
pub mod location;
mod multiplexed;
mod observed;
pub mod pool;
mod reachable_address;
mod resend;
mod send;
pub mod targets;
pub mod trace;
pub mod via;
