//! Portcullis: a reverse-proxy API gateway.

pub mod model;
/// Path, host, method: which operation a request names.
pub mod route;
