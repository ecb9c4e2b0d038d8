//! Who the client is, and how backends are told: `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` (RFC 7239).
//!
//! What a peer claims is believed only when the peer is a trusted proxy; then its chain is kept and the peer appended.
//! A chain is read from its end, where the proxy wrote, up to the first entry that is no address or [`MAX_CHAIN`] of them:
//! whatever stands before is not believed and not passed on. Where a trusted proxy sends both `X-Forwarded-For` and
//! `Forwarded`, the first is read. `Forwarded` is always written anew from the same facts, its host and protocol on the
//! first element, whose request they are.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::route::{Authority, parse_authority};

/// The most addresses of a chain that are read.
pub const MAX_CHAIN: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The scheme that a client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientScheme {
    Http,
    Https,
}

/// The connection that a request came on.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    pub peer: IpAddr,
    pub scheme: ClientScheme,
    /// What the request names as its host.
    pub authority: Option<&'a Authority<'a>>,
    pub trusted_proxies: &'a [IpNet],
}

/// Where a request comes from, as far as it can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    client: IpAddr,
    peer: IpAddr,
    /// What stands before the peer, the farthest first; empty unless the peer is trusted.
    chain: Vec<IpAddr>,
    scheme: ClientScheme,
    host: Option<String>,
}

impl Origin {
    /// Reads the headers as the peer sent them: before anything is stripped.
    pub fn read(headers: &HeaderMap, arrival: &Arrival<'_>) -> Self {
        let peer = arrival.peer.to_canonical();
        let own_host = || arrival.authority.map(ToString::to_string);
        let trusted = |address: IpAddr| {
            arrival.trusted_proxies.iter().any(|network| network.contains(&address))
        };
        if !trusted(peer) {
            return Self {
                client: peer,
                peer,
                chain: Vec::new(),
                scheme: arrival.scheme,
                host: own_host(),
            };
        }
        let chain = read_chain(headers);
        let nearest = chain.iter().rev().copied().find(|address| !trusted(*address));
        Self {
            client: nearest.or(chain.first().copied()).unwrap_or(peer),
            peer,
            chain,
            scheme: read_scheme(headers).unwrap_or(arrival.scheme),
            host: read_host(headers).or_else(own_host),
        }
    }

    /// The nearest address that is no trusted proxy: what a client cannot make up.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    pub fn scheme(&self) -> ClientScheme {
        self.scheme
    }

    /// What the client named as its host, with the port where it sent one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Writes the facts over whatever the headers say.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        self.written().add_to(headers);
    }

    /// The facts as fields: the same for every request of a connection that names one host.
    pub fn written(&self) -> Written {
        // every part is an address or a checked host, so this always is a value; if not, silence is the safe answer
        Written {
            forwarded_for: HeaderValue::try_from(self.forwarded_for()).ok(),
            forwarded: HeaderValue::try_from(self.forwarded()).ok(),
            proto: HeaderValue::from_static(self.scheme.as_str()),
            host: self.host.as_ref().and_then(|host| HeaderValue::try_from(host.as_str()).ok()),
        }
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.chain.iter().copied().chain(std::iter::once(self.peer))
    }

    fn forwarded_for(&self) -> String {
        let mut text = String::new();
        for address in self.addresses() {
            let separator = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{separator}{address}");
        }
        text
    }

    fn forwarded(&self) -> String {
        let mut text = String::with_capacity(96);
        for address in self.addresses() {
            let first = text.is_empty();
            let separator = if first { "" } else { ", " };
            // brackets and colons are not token characters: RFC 7239 section 6 wants quotes
            let _ = match address {
                IpAddr::V4(address) => write!(text, "{separator}for={address}"),
                IpAddr::V6(address) => write!(text, "{separator}for=\"[{address}]\""),
            };
            if first {
                if let Some(host) = &self.host {
                    let quote = if host.contains([':', '[']) { "\"" } else { "" };
                    let _ = write!(text, ";host={quote}{host}{quote}");
                }
                let _ = write!(text, ";proto={}", self.scheme.as_str());
            }
        }
        text
    }
}

impl ClientScheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&HeaderValue>) {
    match value {
        Some(value) => headers.insert(name, value.clone()),
        None => headers.remove(name),
    };
}

/// An origin as header fields.
#[derive(Debug, Clone)]
pub struct Written {
    forwarded_for: Option<HeaderValue>,
    forwarded: Option<HeaderValue>,
    proto: HeaderValue,
    host: Option<HeaderValue>,
}

impl Written {
    /// Writes the fields over whatever the headers say.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        set(headers, X_FORWARDED_FOR, self.forwarded_for.as_ref());
        set(headers, FORWARDED, self.forwarded.as_ref());
        set(headers, X_FORWARDED_PROTO, Some(&self.proto));
        set(headers, X_FORWARDED_HOST, self.host.as_ref());
    }
}

/// The end of a trusted proxy's chain: what a client made up stands before it and may be anything.
fn read_chain(headers: &HeaderMap) -> Vec<IpAddr> {
    let (name, standard) = if headers.contains_key(X_FORWARDED_FOR) {
        (X_FORWARDED_FOR, false)
    } else {
        (FORWARDED, true)
    };
    let lines = headers.get_all(name);
    let mut chain: Vec<IpAddr> = Vec::new();
    'lines: for line in lines.iter().rev() {
        // other bytes than text become a mark that no address has
        let line = String::from_utf8_lossy(line.as_bytes());
        let entries = if standard { split_unquoted(&line, ',') } else { line.split(',').collect() };
        for entry in entries.into_iter().rev() {
            let address = if standard { parse_element(entry) } else { parse_node(entry.trim()) };
            let Some(address) = address.filter(|_| chain.len() < MAX_CHAIN) else { break 'lines };
            chain.push(address.to_canonical());
        }
    }
    chain.reverse();
    chain
}

/// An address with or without a port; IPv6 bare or in brackets.
fn parse_node(text: &str) -> Option<IpAddr> {
    let bracketed =
        || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port)
}

/// The `for` of one element of `Forwarded`: there, once, and an address.
fn parse_element(element: &str) -> Option<IpAddr> {
    let mut node = None;
    for pair in split_unquoted(element, ';') {
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            let value = value.trim();
            let unquoted =
                value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            if node.replace(parse_node(unquoted)?).is_some() {
                return None;
            }
        }
    }
    node
}

fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|character: char| {
        let literal = std::mem::take(&mut escaped);
        match character {
            '\\' => escaped = quoted && !literal,
            '"' if !literal => quoted = !quoted,
            _ => {}
        }
        character == separator && !quoted
    })
    .collect()
}

fn read_scheme(headers: &HeaderMap) -> Option<ClientScheme> {
    let value = single(headers, &X_FORWARDED_PROTO)?;
    let is = |scheme: ClientScheme| value.eq_ignore_ascii_case(scheme.as_str()).then_some(scheme);
    is(ClientScheme::Https).or(is(ClientScheme::Http))
}

fn read_host(headers: &HeaderMap) -> Option<String> {
    parse_authority(single(headers, &X_FORWARDED_HOST)?).ok().map(|authority| authority.to_string())
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

#[cfg(test)]
mod tests;
