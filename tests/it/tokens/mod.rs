//! Tokens: introspection, binding, remembered verdicts, forgeries.

mod answers;
mod asking;
mod bound;
mod breaker;
mod certificates;
mod claim_paths;
mod client_authentication;
mod confirmed;
mod dpop_gateways;
mod forged;
mod forged_latency;
mod introspection;
mod kinds;
mod neighbors;
mod several_servers;
mod token_cache;
mod unknown;
