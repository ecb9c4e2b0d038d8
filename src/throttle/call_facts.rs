//! The facts of a request by which its levels are found.

use std::net::IpAddr;

use http::HeaderMap;

/// The parts of a request that limits may depend on.
#[derive(Debug, Clone, Copy)]
pub struct CallFacts<'r> {
    pub headers: &'r HeaderMap,
    pub query: Option<&'r str>,
    pub client: IpAddr,
}
