//! Identifies the client, and tells backends about it: `X-Forwarded-For`, `-Proto`, `-Host`,
//! `-Port` and `Forwarded` (RFC 7239).
//!
//! A peer's claims are trusted if the peer is a trusted proxy, and only in the headers that the
//! configuration names. The proxies overwrite those, and pass the others on as clients sent them.
//! The chain of addresses is kept and the peer appended.
//!
//! A chain is read from its end, where the proxy wrote, up to the first entry that is no address,
//! or up to [`MAX_CHAIN`] entries. Earlier entries are not trusted and not passed on. If both
//! `X-Forwarded-*` and `Forwarded` are trusted and present, the first is read. `Forwarded` is
//! always written anew from the same facts, with host and protocol on the client's element, since
//! the request is the client's.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

pub use crate::forward::chain::MAX_CHAIN;
use crate::forward::chain::{self, ClientElement};
use crate::model::proxies::{ForwardedHeader, ForwardedHeaders, TrustedProxies};
use crate::route::{Authority, normalize, parse_authority};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The scheme that a client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientScheme {
    Http,
    Https,
}

/// The connection of a request.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    pub peer: IpAddr,
    pub scheme: ClientScheme,
    /// The host that the request names.
    pub authority: Option<&'a Authority<'a>>,
    pub trusted_proxies: &'a TrustedProxies,
}

/// The origin of a request, from trusted facts only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOrigin {
    client: IpAddr,
    peer: IpAddr,
    /// The addresses before the peer, the farthest first; empty unless the peer is trusted.
    chain: Vec<IpAddr>,
    /// The client's place in the chain with the peer.
    client_place: usize,
    scheme: ClientScheme,
    host: Option<String>,
    /// The port, from a trusted header.
    port: Option<u16>,
    /// The prefix, from a trusted header: in normal form, without a slash at its end.
    prefix: String,
}

impl ClientOrigin {
    /// Reads the headers as the peer sent them: before anything is stripped.
    pub fn read(headers: &HeaderMap, arrival: &Arrival<'_>) -> Self {
        let proxies = arrival.trusted_proxies;
        let peer = arrival.peer.to_canonical();
        let own = Self {
            client: peer,
            peer,
            chain: Vec::new(),
            client_place: 0,
            scheme: arrival.scheme,
            host: arrival.authority.map(ToString::to_string),
            port: None,
            prefix: String::new(),
        };
        if proxies.include(peer) { own.told_by(headers, proxies) } else { own }
    }

    /// Adds the facts that a trusted proxy reports.
    fn told_by(self, headers: &HeaderMap, proxies: &TrustedProxies) -> Self {
        let believed = proxies.headers;
        let trusted = |address: IpAddr| proxies.include(address);
        let (standard, ClientElement { proto, host }) = if believed.has(ForwardedHeader::Standard) {
            chain::read_standard(headers, trusted)
        } else {
            Default::default()
        };
        let by_name = believed.has(ForwardedHeader::For) && headers.contains_key(X_FORWARDED_FOR);
        let chain = if by_name { chain::read(headers, &X_FORWARDED_FOR) } else { standard };
        // proxies all the way: the farthest is as good as a client
        let nearest = chain.iter().rposition(|address| !trusted(*address));
        let client_place = nearest.unwrap_or_default();
        let single = |header| single_of(believed, headers, header);
        let scheme = single(ForwardedHeader::Proto)
            .and_then(ClientScheme::from_name)
            .or_else(|| ClientScheme::from_name(&proto?))
            .unwrap_or(self.scheme);
        let host = single(ForwardedHeader::Host)
            .and_then(canonical_host)
            .or_else(|| canonical_host(&host?))
            .or(self.host);
        let port = single(ForwardedHeader::Port).and_then(parse_port);
        let host = match port {
            Some(port) => host.map(|host| with_port(&host, port, scheme)),
            None => host,
        };
        let prefix = single(ForwardedHeader::Prefix).and_then(canonical_prefix);
        Self {
            client: chain.get(client_place).copied().unwrap_or(self.peer),
            peer: self.peer,
            chain,
            client_place,
            scheme,
            host,
            port,
            prefix: prefix.unwrap_or_default(),
        }
    }

    /// Returns the nearest address that is no trusted proxy. A client cannot forge it.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    pub fn scheme(&self) -> ClientScheme {
        self.scheme
    }

    /// Returns the host that the client named, with the port if it sent one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns the part of the path that trusted proxies removed; empty if they removed nothing, or
    /// are not trusted.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Replaces the headers by the facts.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        self.written().add_to(headers);
    }

    /// The facts as fields: the same for every request of a connection that names one host.
    pub fn written(&self) -> WrittenOrigin {
        // every part is an address or a checked host, so this always is a value; if not, silence is
        // the safe answer
        WrittenOrigin {
            forwarded_for: HeaderValue::try_from(self.forwarded_for()).ok(),
            forwarded: HeaderValue::try_from(self.forwarded()).ok(),
            proto: HeaderValue::from_static(self.scheme.as_str()),
            host: self.host.as_ref().and_then(|host| HeaderValue::try_from(host.as_str()).ok()),
            port: self.port.map(HeaderValue::from),
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
        for (place, address) in self.addresses().enumerate() {
            let separator = if text.is_empty() { "" } else { ", " };
            // brackets and colons are not token characters: RFC 7239 section 6 wants quotes
            let _ = match address {
                IpAddr::V4(address) => write!(text, "{separator}for={address}"),
                IpAddr::V6(address) => write!(text, "{separator}for=\"[{address}]\""),
            };
            if place == self.client_place {
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

    fn from_name(name: &str) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.as_str()))
    }

    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
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
pub struct WrittenOrigin {
    forwarded_for: Option<HeaderValue>,
    forwarded: Option<HeaderValue>,
    proto: HeaderValue,
    host: Option<HeaderValue>,
    port: Option<HeaderValue>,
}

impl WrittenOrigin {
    /// Returns the host that the client named.
    pub fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    /// Replaces the headers by the fields.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        set(headers, X_FORWARDED_FOR, self.forwarded_for.as_ref());
        set(headers, FORWARDED, self.forwarded.as_ref());
        set(headers, X_FORWARDED_PROTO, Some(&self.proto));
        set(headers, X_FORWARDED_HOST, self.host.as_ref());
        // never a client's claim: fields of this name from clients were stripped
        if let Some(port) = &self.port {
            headers.insert(X_FORWARDED_PORT, port.clone());
        }
    }
}

/// Returns the only value of a trusted header; two values count as none.
fn single_of(
    believed: ForwardedHeaders,
    headers: &HeaderMap,
    header: ForwardedHeader,
) -> Option<&str> {
    let mut values = headers.get_all(header.as_str()).iter();
    let value = values.next().filter(|_| believed.has(header))?;
    value.to_str().ok().filter(|_| values.next().is_none())
}

fn canonical_host(text: &str) -> Option<String> {
    parse_authority(text.trim()).ok().map(|authority| authority.to_string())
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = text.trim();
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port > 0)
}

/// Returns the host with the client's port in place of its own. The default port of the scheme is
/// left out.
fn with_port(host: &str, port: u16, scheme: ClientScheme) -> String {
    let bare = parse_authority(host).map_or(host.to_owned(), |named| named.host().to_owned());
    if port == scheme.default_port() { bare } else { format!("{bare}:{port}") }
}

/// A path of plain segments in normal form.
fn canonical_prefix(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte);
    if !text.starts_with('/') || !text.bytes().all(plain) {
        return None;
    }
    normalize(text).ok().map(|path| path.as_str().to_owned())
}

#[cfg(test)]
mod tests;
