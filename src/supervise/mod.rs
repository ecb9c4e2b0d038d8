//! Assembly: start in order, reload, drain, stop. The only room that knows every other. Decides the
//! order of things and what a reload may touch.
//!
//! The walk through the files: [`start`] (from a file to a running gateway) over [`opening`]
//! (sockets, folder, log) and [`start_settings`] (those that a reload does not apply),
//! [`state_dir_turn`] (the process that may write to `state_dir`), [`worker_parts`],
//! [`control_side`] (management) and [`upkeep`] (tasks beside the requests), [`facts`] (values for
//! a scrape), [`reload`] (the next generation, prepared in the [`background`]), [`reload_pace`]
//! (the rest after one), [`settled_files`] (files that rest), [`inventory`] (how much a reload may
//! take away), [`listeners`] (sockets to open and close), [`running`] (its requests to the gateway,
//! and its end), [`descriptors`] (the number of connections that the process can hold),
//! [`certificates`] (their expiry), [`signals`], [`watch`] (changed files), [`workers`] (the
//! threads), [`trace_export`] (spans for the collector), [`clock`], [`clock_watch`] (a clock that
//! jumps), [`object_counts`] (the objects of the store, for metrics), [`access_lines`] (gained and
//! lost access), [`last_use`], [`planning`] (the changes that another file would make),
//! [`stored_check`] (files and store together, for `check`), [`transfer`] (the store as a file).

mod access_lines;
mod background;
pub mod certificates;
pub mod clock;
mod clock_watch;
mod control_side;
pub mod descriptors;
pub mod error;
mod facts;
mod file_stamp;
pub mod inherited;
pub mod inventory;
mod last_use;
pub mod listeners;
mod object_counts;
mod opening;
mod own_folder;
mod planning;
mod process;
mod provisioning;
mod publisher;
pub mod reload;
mod reload_pace;
pub mod running;
mod saved_counts;
mod serve;
mod server_certificates;
mod service_manager;
mod settled_files;
pub mod signals;
pub mod start;
mod start_settings;
mod state_dir_turn;
mod stored_check;
mod takeover;
mod takeover_link;
mod trace_export;
mod transfer;
mod upkeep;
mod warnings;
pub mod watch;
mod worker_parts;
pub mod workers;

pub use planning::{Plan, between_files};
pub use stored_check::{StoreCheck, check_with_store};
pub use transfer::{ImportTarget, Others, StoreImport, TransferError, export, rekey};
