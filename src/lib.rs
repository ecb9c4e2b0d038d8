//! Portcullis: a reverse-proxy API gateway.
//!
//! The map of the house, from the bottom up: each room imports only rooms above it in this list
//! (`docs/ARCHITECTURE.md` tells the walks, `tests/architecture` holds the table).

pub mod model;

pub mod budget;
pub mod config;
pub mod deadline;
pub mod dial;
pub mod http2_frames;
pub mod http_server;
pub mod inspected_stream;
pub mod jwt;
pub mod niceness;
pub mod route;

pub mod fetch;
pub mod state_dir;
pub mod store;
pub mod telemetry;

pub mod jwks;
pub mod redis_link;
pub mod revocation;

pub mod assertion;
pub mod introspect;

pub mod backend;
pub mod key_managers;
pub mod limiter;

pub mod snapshot;

pub mod authenticate;

pub mod authorize;

pub mod throttle;

pub mod forward;

pub mod proxy;

pub mod listen;

pub mod explain;

pub mod registration;

pub mod sign_in;

pub mod admin;

pub mod demo;
pub mod management;

pub mod supervise;

pub mod cli;
