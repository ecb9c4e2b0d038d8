//! Portcullis: a reverse-proxy API gateway.

/// The embedded authorization server, backends and certificates of `portcullis demo`; `run` never starts them.
pub mod demo;
pub mod model;
