//! Portcullis: a reverse-proxy API gateway.

/// Verifies compact JWS tokens: bytes, keys, rules and a time in; claims or a reason out.
pub mod jwt;
pub mod model;
