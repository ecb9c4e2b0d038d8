//! The integration tests: one binary, one file per behaviour. `support` holds the actors that the stories are told with.
#![cfg(test)]

mod actors;
mod backends;
mod codes;
mod framing;
mod presets;
mod reload;
mod support;
mod walk;
