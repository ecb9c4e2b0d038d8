//! The facts about a request that the decision uses.

use std::net::IpAddr;

use http::{HeaderMap, Method};

use crate::authenticate::binding::Evidence;
use crate::route::NormalPath;

/// The parts of a request's head that count in the decision.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'r> {
    pub method: &'r Method,
    /// The host in lower case, without a port.
    pub host: &'r str,
    pub path: &'r NormalPath<'r>,
    pub headers: &'r HeaderMap,
    pub connection: ConnectionFacts<'r>,
}

/// The connection of a request and the address that it was sent to. They prove possession of a
/// bound token, and name the client to which questions are charged.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionFacts<'r> {
    /// The SHA-256 of the client's certificate.
    pub certificate: Option<[u8; 32]>,
    pub peer: Option<IpAddr>,
    /// The client behind trusted proxies.
    pub client: Option<IpAddr>,
    pub scheme: &'static str,
    /// The authority, with the port if the client sent one.
    pub authority: &'r str,
    /// The path as the client sent it.
    pub path: &'r str,
    /// The prefix that trusted proxies removed from the path.
    pub prefix: &'r str,
}

impl ConnectionFacts<'_> {
    /// Facts about no connection: no bound token can be proved with these.
    pub const UNKNOWN: ConnectionFacts<'static> = ConnectionFacts {
        certificate: None,
        peer: None,
        client: None,
        scheme: "https",
        authority: "",
        path: "",
        prefix: "",
    };
}

impl<'r> RequestFacts<'r> {
    pub(super) fn evidence(&self) -> Evidence<'r> {
        let ConnectionFacts { certificate, peer, client, scheme, authority, path, prefix } =
            self.connection;
        let paths = [path, self.path.as_str()];
        Evidence {
            certificate,
            peer,
            client,
            method: self.method.as_str(),
            scheme,
            authority,
            paths,
            prefix,
            headers: self.headers,
        }
    }
}
