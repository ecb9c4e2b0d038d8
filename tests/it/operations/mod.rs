//! Operating the gateway: commands, reloads, explain.

mod clocks;
mod explaining;
mod program;
mod registering;
mod reload;
mod removals;
mod service_manager;
mod signals;
mod takeover;
