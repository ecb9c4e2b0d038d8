//! The integration tests: one binary, one folder per room, one file per behavior. `support` holds the actors that the
//! stories are told with.
#![cfg(test)]

mod actors;
mod admin;
mod backends;
mod clients;
mod key_managers;
mod operations;
mod revocation;
mod seeds;
mod streams;
mod support;
mod throttling;
mod tokens;
mod walk;
