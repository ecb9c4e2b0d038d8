//! Hints on the port and the scheme: the listener that would have accepted the request.

use std::net::SocketAddr;

use crate::explain::request::ExplainRequest;

/// An open listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    pub name: String,
    pub address: SocketAddr,
    pub tls: bool,
}

impl Listening {
    fn describe(&self) -> String {
        let how = if self.tls { "TLS" } else { "plain HTTP" };
        format!("\"{}\" at {} ({how})", self.name, self.address)
    }
}

/// Returns a hint if no listener has the port of the address, or if that listener has the other
/// scheme.
pub(super) fn hints(listening: &[Listening], question: &ExplainRequest) -> Vec<String> {
    let (Some(port), Some(scheme)) = (question.uri.port_u16(), question.uri.scheme_str()) else {
        return Vec::new();
    };
    if listening.is_empty() {
        return Vec::new();
    }
    let at_port: Vec<_> =
        listening.iter().filter(|listener| listener.address.port() == port).collect();
    if at_port.is_empty() {
        let known: Vec<_> = listening.iter().map(Listening::describe).collect();
        return vec![format!(
            "no listener has the port {port}; there is {}. The request can only arrive through a \
             proxy that has this port",
            known.join(", ")
        )];
    }
    let tls = scheme == "https";
    if at_port.iter().any(|listener| listener.tls == tls) {
        return Vec::new();
    }
    let known: Vec<_> = at_port.iter().map(|listener| listener.describe()).collect();
    vec![format!("the address says {scheme}, but the listener is {}", known.join(", "))]
}
