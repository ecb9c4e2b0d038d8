//! Tokens: introspection, binding, remembered verdicts, forgeries.

mod asking;
mod bound;
mod certificates;
mod forged;
mod forged_latency;
mod introspection;
mod neighbors;
mod token_cache;
mod unknown;
