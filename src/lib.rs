//! Portcullis: a reverse-proxy API gateway.

pub mod demo;
pub mod model;
