//! The request's walk and nothing else.
//!
//! The walk through the files: [`service`] (the walk), [`admission`] (may it be forwarded), [`inquiry`] (what servers say of a token),
//! [`newer_keys`] (waiting for them),
//! [`asserting`] (what a backend is told of the caller), [`decision`] (route, authenticate, authorize on one snapshot),
//! [`denial`] (reason -> answer, the only table of statuses), [`own_answer`] (answers made here), [`metadata`] (RFC 9728), [`cors`],
//! [`upgrade`] and [`tunnel`] (other protocols, with [`websocket`]'s frames), [`vouching`] (questions within a budget), [`tenure`] and [`term`] (what ends a stream), [`exchange`] (the facts of one exchange, written once),
//! [`answer`] (bodies), [`connection`] and [`worker`] (what the walk is lent), [`naming`] and [`request_ids`] (what is not
//! worked out anew for each request), [`waiting`] (connections between two requests).

pub mod admission;
pub mod answer;
pub mod asserting;
pub mod connection;
pub mod cors;
pub mod decision;
pub mod denial;
pub mod exchange;
pub mod inquiry;
pub mod metadata;
pub mod naming;
mod newer_keys;
pub mod own_answer;
mod query_token;
pub mod request_ids;
pub mod service;
pub mod tenure;
pub mod term;
pub mod tunnel;
pub mod upgrade;
mod vouching;
pub mod waiting;
pub mod websocket;
pub mod worker;
