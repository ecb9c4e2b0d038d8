//! Assembly: start in order, reload, drain, stop. The only room that knows every other.
//!
//! Decides the order of things and what a reload may touch. The walk through the files: [`start`]
//! (from a file to a running gateway) over [`opening`] (sockets, folder, log), [`turn`] (who may
//! write to `state_dir`), [`worker_parts`], [`control_side`] (management) and [`upkeep`] (tasks
//! beside the requests), [`facts`] (what a scrape shows), [`reload`] (the next
//! generation, prepared in the [`background`]), [`settled`] (files that rest), [`inventory`] (what
//! a reload may take away), [`listeners`] (which sockets open and close), [`running`] (what it is
//! told, and the end), [`descriptors`] (how many connections the process can hold),
//! [`certificates`] (until when they are valid), [`signals`], [`watch`] (changed files),
//! [`workers`] (the threads), [`trace_export`] (spans for the collector), [`clock`],
//! [`clock_watch`] (a clock that jumps), [`access_lines`] (who gains or loses access),
//! [`last_use`], [`planning`] (what another file would change), [`transfer`] (the store as a file).

mod access_lines;
mod background;
pub mod certificates;
pub mod clock;
mod clock_watch;
mod control_side;
mod counts;
pub mod descriptors;
pub mod error;
mod facts;
mod file_stamp;
pub mod inherited;
pub mod inventory;
mod last_use;
mod link;
pub mod listeners;
mod opening;
mod own_folder;
mod planning;
mod process;
mod provisioning;
mod publisher;
pub mod reload;
pub mod running;
mod serve;
mod server_certificates;
mod service_manager;
mod settled;
pub mod signals;
pub mod start;
mod takeover;
mod trace_export;
mod transfer;
mod turn;
mod upkeep;
mod warnings;
pub mod watch;
mod worker_parts;
pub mod workers;

pub use planning::{Plan, between_files};
pub use transfer::{ImportTarget, Others, StoreImport, TransferError, export, rekey};
