//! The addresses that can be fetched, and those that are permitted.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use url::{Host, Url};

use crate::fetch::failure::FetchFailure;
use crate::model::key_manager::Fetch;

/// Characters of an address that are shown when it is refused.
const MOST_SHOWN: usize = 200;

/// An address of http or https, with a host and without credentials.
#[derive(Debug, Clone)]
pub struct FetchUrl {
    url: Url,
    /// The same address as a type of the HTTP library.
    uri: Uri,
}

impl FetchUrl {
    /// Reads an address. Credentials in it are refused: they would end in logs.
    pub fn read(text: &str) -> Result<Self, FetchFailure> {
        let parsed = Self::parse(text);
        parsed.ok_or_else(|| FetchFailure::Address { url: shown(text) })
    }

    /// Reads an address that this key manager may ask: https, loopback, or plain http where
    /// `allow_http` is set.
    pub fn permitted(settings: &Fetch, text: &str) -> Result<Self, FetchFailure> {
        let url = Self::read(text)?;
        if url.is_https() || settings.allow_http || url.is_loopback() {
            Ok(url)
        } else {
            Err(FetchFailure::Insecure { url: shown(text) })
        }
    }

    fn parse(text: &str) -> Option<Self> {
        // the URL standard also reads `https:host` and `https:\\host`, which no other reader of the
        // file would
        let (scheme, _) = text.split_once("://")?;
        let mut url = Url::parse(text).ok()?;
        let is_http = matches!(url.scheme(), "http" | "https");
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        if !is_http || !scheme.eq_ignore_ascii_case(url.scheme()) || has_credentials {
            return None;
        }
        url.set_fragment(None);
        let uri = url.as_str().parse().ok()?;
        Some(Self { url, uri })
    }

    /// The host as it is shown: an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Tells whether both addresses have one scheme, host and port.
    pub fn has_origin_of(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns host and port as in a `Host` field: without the scheme's default port.
    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map(http::uri::Authority::as_str).unwrap_or_default()
    }

    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Tells whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(name)) => is_loopback_host(name),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
            None => false,
        }
    }
}

impl fmt::Display for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

/// Tells whether a host is this machine: `localhost`, or an address of loopback, with or without
/// brackets.
pub fn is_loopback_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let address = bare.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

fn shown(text: &str) -> String {
    text.chars().take(MOST_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_one_way() {
        for (text, read) in [
            ("https://is.example:443/jwks", "https://is.example/jwks"),
            ("HTTPS://IS.example/jwks?a=b#c", "https://is.example/jwks?a=b"),
            ("http://[::1]:8080", "http://[::1]:8080/"),
        ] {
            let url = FetchUrl::read(text).unwrap();
            assert_eq!(
                (url.to_string(), url.uri().to_string()),
                (read.to_owned(), read.to_owned())
            );
        }
        assert_eq!(FetchUrl::read("https://is.example:443/").unwrap().authority(), "is.example");
        for refused in [
            "is.example/jwks",
            "https:is.example",
            "https:\\\\is.example",
            " https://is.example",
            "ftp://is.example/",
            "https://user:secret@is.example/",
            "https://",
        ] {
            let failure = FetchUrl::read(refused).unwrap_err();
            assert_eq!(failure.label(), "address", "{refused}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback() {
        for (text, loopback) in [
            ("http://LOCALHOST:1/", true),
            ("http://127.0.0.2/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://localhost.example/", false),
            ("http://192.0.2.7/", false),
        ] {
            assert_eq!(FetchUrl::read(text).unwrap().is_loopback(), loopback, "{text}");
        }
        assert!(is_loopback_host("[::1]") && is_loopback_host("::1") && !is_loopback_host("[::1"));
    }
}
