//! Near misses of the port and the scheme: which listener would have taken the request.

use std::net::SocketAddr;

use crate::explain::question::ExplainRequest;

/// A listener that is open.
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

/// Says when no listener has the port of a whole address, or the one that has it speaks otherwise.
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
            "no listener has the port {port}: there is {}; this is right only where a proxy in front has that port",
            known.join(", ")
        )];
    }
    let tls = scheme == "https";
    if at_port.iter().any(|listener| listener.tls == tls) {
        return Vec::new();
    }
    let known: Vec<_> = at_port.iter().map(|listener| listener.describe()).collect();
    vec![format!("the address says {scheme}, and the listener is {}", known.join(", "))]
}
