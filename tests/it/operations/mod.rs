//! Operating the gateway: commands, reloads, explain.

mod clocks;
mod explaining;
mod program;
mod reload;
mod removals;
