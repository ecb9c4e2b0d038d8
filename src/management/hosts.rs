//! Checks the host that a management request is for.
//!
//! A web page can point its own name at this machine (DNS rebinding). It could then read the open
//! endpoints, or call those that need no password. It cannot choose the `Host` header that the
//! browser sends: that is the page's own name. So a name that can be registered on the Internet
//! must be listed in `management.hosts`. Addresses, single labels and names of private networks
//! cannot be registered, and are always accepted.

use std::net::IpAddr;

use http::HeaderMap;
use http::header;
use http::uri::Authority;

/// Suffixes of private networks, below which no name can be registered (RFC 6761, RFC 6762, RFC
/// 8375, Kubernetes).
const PRIVATE: [&str; 5] = [".localhost", ".local", ".internal", ".svc", ".home.arpa"];

/// The names that are accepted besides addresses and private names.
#[derive(Debug, Default)]
pub struct OwnHosts {
    names: Vec<String>,
}

impl OwnHosts {
    /// Takes the machine's own name and those that the operator listed.
    pub fn new(written: &[String]) -> Self {
        let machine = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
        let mut names: Vec<_> = written.iter().map(|name| name.to_ascii_lowercase()).collect();
        names.extend((!machine.is_empty()).then_some(machine));
        Self { names }
    }

    /// Returns true if the request is for this listener. A request without `Host` (HTTP/1.0) cannot
    /// come from a browser.
    pub fn hold(&self, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(header::HOST).iter();
        let (first, second) = (fields.next(), fields.next());
        let Some(field) = first else { return true };
        let authority = field.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
        second.is_none() && authority.is_some_and(|authority| self.is_own(authority.host()))
    }

    fn is_own(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || (!host.is_empty() && !host.contains('.'))
            || PRIVATE.iter().any(|suffix| host.ends_with(suffix))
            || self.names.contains(&host)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn addresses_and_own_names_are_own() {
        let hosts = OwnHosts::new(&["Gateway.bank.example".to_owned()]);
        let hold = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            hosts.hold(&headers)
        };
        for own in [
            "127.0.0.1:9443",
            "10.1.2.3",
            "[::1]:9443",
            "localhost:9443",
            "LOCALHOST",
            "portcullis:9443",
            "portcullis.gateways.svc",
            "portcullis.gateways.svc.cluster.local",
            "gateway.bank.example:9443",
            "gateway.bank.example.",
        ] {
            assert!(hold(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:9443",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "user@127.0.0.1@evil.example",
        ] {
            assert!(!hold(foreign), "{foreign}");
        }
        assert!(hosts.hold(&HeaderMap::new()));
        let mut two = HeaderMap::new();
        two.append(header::HOST, HeaderValue::from_static("localhost"));
        two.append(header::HOST, HeaderValue::from_static("localhost"));
        assert!(!hosts.hold(&two));
    }
}
