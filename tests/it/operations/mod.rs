//! Operating the gateway: commands, reloads, explain.

mod explaining;
mod program;
mod reload;
mod removals;
