//! Portcullis: a reverse-proxy API gateway.

pub mod model;
