//! The management listener: health, metrics, reload. A listener of its own, on the control runtime, so that the data
//! path and this fail apart.
//!
//! `/livez`, `/readyz` and `/metrics` are open to whoever reaches the address. `POST /reload` re-reads the operator's own
//! files; whoever is on this machine may ask for it, but no browser. For all else the role of a user decides.
//!
//! The walk through the files: [`readiness`] (ready, and what is missing), [`server`] (the listener), [`gate`]
//! (whether this process answers there), [`connections`] (their places), [`hosts`] (the names that it answers to), [`access`] (who may do what), [`answer`] (one
//! request), [`revocations`] (telling, listing, taking back), [`revoking`] (what a call is about), [`notices`] (what WSO2
//! tells), [`scopes`] (which issuers a name stands for), [`reloading`] (a
//! reload that was asked for), [`refreshing`] (key sets are fetched now), [`explaining`] (how it would decide), [`control`] (the socket for
//! commands on this machine), [`in_force`] (what this process serves).

mod access;
mod answer;
mod connections;
pub mod control;
mod explaining;
mod gate;
mod hosts;
mod in_force;
mod notices;
mod probes;
mod readiness;
mod refreshing;
mod reload;
mod reloading;
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
pub use reloading::{ReloadOutcome, ReloadRequest, Removals};
pub use state::{Explaining, ManagementState};
