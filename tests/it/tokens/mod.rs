//! Tokens: introspection, binding, remembered verdicts, forgeries.

mod asking;
mod bound;
mod certificates;
mod claim_paths;
mod forged;
mod forged_latency;
mod introspection;
mod kinds;
mod neighbors;
mod token_cache;
mod unknown;
