//! The integration tests: one binary, one file per behaviour. `support` holds the actors that the stories are told with.
#![cfg(test)]

mod actors;
mod asking;
mod assertion;
mod backends;
mod balancing;
mod bound;
mod codes;
mod cors;
mod floods;
mod forged;
mod forged_latency;
mod framing;
mod grpc;
mod h2spec;
mod imports;
mod introspection;
mod listeners;
mod names;
mod organizations;
mod outages;
mod presets;
mod program;
mod reload;
mod revocation;
mod streams;
mod support;
mod tls;
mod token_cache;
mod unlisted;
mod walk;
mod websocket;
