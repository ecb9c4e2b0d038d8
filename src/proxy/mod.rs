//! The walk of a request.
//!
//! [`walk`] has its steps on one page: [`head`], the decision with its questions ([`asking`]) and
//! its [`verdict`], `throttle`, [`outgoing`], [`forwarding`], [`reply`]. A step that refuses
//! returns a [`refusal`]; [`local_reply`] turns it into a response by [`denial`]'s one table of
//! statuses. [`service`] is the HTTP library's side. [`exchange`] has the facts of one exchange,
//! each written once. [`stream`] holds the parts that outlive a response head. [`connection`] and
//! [`worker`] lend a request the state that it shares with others.

mod answer;
pub mod asking;
pub mod connection;
mod cors;
pub mod denial;
mod exchange;
mod exchange_facts;
mod exchange_spans;
mod forwarding;
mod head;
mod inbound;
pub mod local_reply;
mod metadata;
mod origin_cache;
mod outgoing;
mod query_token;
mod refusal;
mod reply;
mod request_facts;
mod request_ids;
mod routing;
pub mod service;
mod stream;
mod verdict;
mod wait;
mod walk;
pub mod worker;

pub use crate::proxy::refusal::{Refusal, RefusalPlace, Undecided, Why};
pub use crate::proxy::request_facts::{ConnectionFacts, RequestFacts};
pub use crate::proxy::walk::decide;
