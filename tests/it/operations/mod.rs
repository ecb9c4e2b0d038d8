//! Operating the gateway: commands, reloads, explain.

mod checking;
mod clocks;
mod control;
mod denials;
mod descriptors;
mod expiring;
mod explaining;
mod leaving;
mod monitoring;
mod planning;
mod processes;
mod program;
mod quarantine;
mod registering;
mod reload;
mod removals;
mod service_manager;
mod signals;
mod store;
pub(crate) mod takeover;
mod traces;
