//! The request's walk and nothing else.
//!
//! The walk through the files: [`service`] (the walk), [`admission`] (may it be forwarded), [`inquiry`] (what servers say of a token),
//! [`newer_keys`] (waiting for them),
//! [`asserting`] (what a backend is told of the caller), [`decision`] (route, authenticate, authorize on one snapshot),
//! [`denial`] (reason -> answer, the only table of statuses), [`local_reply`] (answers made here), [`metadata`] (RFC 9728), [`cors`],
//! [`stream::upgrade`] and [`stream::tunnel`] (other protocols, with [`stream::websocket`]'s frames), [`vouching`] (questions within a budget), [`stream::authorization`] and [`stream::limit`] (what ends a stream), [`exchange`] (the facts of one exchange, written once),
//! [`answer`] (bodies), [`connection`] and [`worker`] (what the walk is lent), [`request_origin`] and [`request_ids`] (what is not
//! worked out anew for each request), [`connection::idle`] (connections between two requests).

pub mod admission;
pub mod answer;
pub mod asserting;
pub mod connection;
pub mod cors;
pub mod decision;
pub mod denial;
pub mod exchange;
pub mod inquiry;
pub mod local_reply;
pub mod metadata;
mod newer_keys;
mod query_token;
pub mod request_ids;
pub mod request_origin;
pub mod service;
pub mod stream;
mod vouching;
pub mod worker;
