//! The outbound HTTP client of the control side: key sets, discovery documents, introspection.
//!
//! Asks only addresses that the operator wrote, that the operator's discovery document names, or
//! that came by the management API and lead to a permitted network. A request has a connection of
//! its own: no redirects, no compression, no second try, and a bound on everything that a server
//! sends.
//!
//! [`get`], [`get_text`], [`post`], [`deliver`] and [`ask`](mod@ask) do a whole exchange by the
//! rules of a key manager: [`address`] has the permitted addresses, [`foreign_reach`] the permitted
//! networks, [`proxy`] the way, [`connector`] opens the connection with the trust of [`trust`], and
//! [`document`] judges the response. [`send`] is the part below: one request over an open stream.

mod address;
mod ask;
mod client;
mod connector;
mod document;
mod failure;
mod foreign_reach;
mod form;
mod freshness;
mod no_proxy;
mod one_request;
mod proxy;
mod recorder;
pub mod trust;

pub use address::{FetchUrl, is_loopback_host};
pub use ask::{ApiCall, ApiReply, ask};
pub use client::{Receipt, deliver, get, get_text, post};
pub use document::{Document, Posted};
pub use failure::FetchFailure;
pub use foreign_reach::check_reach;
pub use form::{FormPost, form_encoded};
pub use freshness::Freshness;
pub use one_request::{ContentError, OpenResponse, send};
pub use proxy::{Route, route};
