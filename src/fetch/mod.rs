//! The outbound HTTP client of the control side: key sets, discovery documents, questions about tokens.
//!
//! Asks only addresses that the operator wrote or that the operator's discovery document names. One request a
//! connection, no redirects, no compression, no second try, and a bound on everything that a server sends.

pub mod client;
pub mod failure;
mod freshness;
mod no_proxy;
pub mod proxy;
mod recorder;
pub mod trust;

pub use freshness::Freshness;
