//! The integration tests: one binary, one file per behaviour. `support` holds the actors that the stories are told with.
#![cfg(test)]

mod actors;
mod assertion;
mod backends;
mod balancing;
mod bound;
mod canaille;
mod codes;
mod cors;
mod explaining;
mod floods;
mod framing;
mod grpc;
mod h2spec;
mod imports;
mod introspection;
mod journal;
mod listeners;
mod misbehaviour;
mod names;
mod organizations;
mod outages;
mod presets;
mod program;
mod reload;
mod resting;
mod revocation;
mod spreading;
mod streams;
mod support;
mod tls;
mod walk;
mod websocket;
