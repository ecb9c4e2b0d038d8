//! Serves operators: health, metrics, reload, revocations, explanations.
//!
//! The management listener runs on the control runtime, so that it and the data path fail apart.
//! `/livez`, `/readyz`, `/metrics` and `/jwks` are open to every client that reaches the address.
//! `POST /reload` reads the operator's own files again; a caller on this machine may do it, but no
//! browser. For every other call the role of a user decides.
//!
//! The files, in the order of a call: [`server`] (the listener), [`gate`] (the process that
//! answers), [`connections`] (their bound), [`hosts`] (accepted names), [`routes`] (the endpoints),
//! [`access`] (rights of callers), [`answer`] (one request), [`state`] (shared by the endpoints),
//! [`reply`] (forms of replies). Then one file for each endpoint: [`probes`] and [`readiness`],
//! [`reload`] and [`reload_request`], [`refreshing`] (key sets), [`explaining`], [`revocations`]
//! with [`revoking`] (an operator's call), [`fault`] (faults of a call), [`notices`] (WSO2's) and
//! [`scopes`] (issuers of a key manager). [`control`] is the socket for commands on this machine,
//! and [`in_force`] names the objects that this process serves.

mod access;
mod answer;
mod connections;
pub mod control;
mod explaining;
mod fault;
mod gate;
mod hosts;
mod in_force;
mod notices;
mod probes;
mod readiness;
mod refreshing;
mod reload;
mod reload_request;
mod reply;
mod revocations;
mod revoking;
mod routes;
mod scopes;
pub mod server;
mod state;

pub use access::Access;
pub use gate::CallGate;
pub use hosts::OwnHosts;
pub use in_force::{InForce, InForceState};
pub use readiness::Readiness;
pub use reload_request::{ReloadOutcome, ReloadRequest, ReloadWanted, Removals};
pub use state::{Explaining, ManagementState};
