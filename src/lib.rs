//! Portcullis: a reverse-proxy API gateway.

/// The way to a backend and back.
pub mod forward;
pub mod model;
/// The request's walk and what refused requests are told.
pub mod proxy;
/// Path, host, method: which operation a request names.
pub mod route;
