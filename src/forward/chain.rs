//! The chain of proxies that a request came through, in `X-Forwarded-For` and `Forwarded` (RFC
//! 7239).
//!
//! Entries are read from the end, where the nearest proxy wrote, up to the first one that is no
//! address. The caller decides which of them it trusts.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

/// The most addresses of a chain that are read: far more proxies than any deployment has in a row.
pub const MAX_CHAIN: usize = 32;

/// The client's element of `Forwarded`.
#[derive(Debug, Default)]
pub(super) struct ClientElement {
    pub(super) proto: Option<String>,
    pub(super) host: Option<String>,
}

/// The addresses of a list, the farthest first.
pub(super) fn read(headers: &HeaderMap, name: &HeaderName) -> Vec<IpAddr> {
    let mut chain = Vec::new();
    'lines: for line in headers.get_all(name).iter().rev() {
        // other bytes than text become a mark that no address has
        let line = String::from_utf8_lossy(line.as_bytes());
        for entry in line.rsplit(',') {
            let address = parse_node(entry.trim()).filter(|_| chain.len() < MAX_CHAIN);
            let Some(address) = address else { break 'lines };
            chain.push(address.to_canonical());
        }
    }
    chain.reverse();
    chain
}

/// Reads the addresses of `Forwarded`, and the outermost trusted proxy's description of the
/// request. Each element was written by the proxy that the next one names, and the last one by the
/// peer.
pub(super) fn read_standard(
    headers: &HeaderMap,
    trusted: impl Fn(IpAddr) -> bool,
) -> (Vec<IpAddr>, ClientElement) {
    let (mut chain, mut client, mut found) = (Vec::new(), ClientElement::default(), false);
    'lines: for line in headers.get_all(FORWARDED).iter().rev() {
        let line = String::from_utf8_lossy(line.as_bytes());
        for element in split_unquoted(&line, ',').parts.into_iter().rev() {
            let Some(element) = parse_element(element).filter(|_| chain.len() < MAX_CHAIN) else {
                break 'lines;
            };
            if !found {
                client = ClientElement { proto: element.proto, host: element.host };
            }
            let Some(address) = element.node else { break 'lines };
            found = found || !trusted(address);
            chain.push(address);
        }
    }
    chain.reverse();
    (chain, client)
}

/// An address with or without a port; IPv6 bare or in brackets.
fn parse_node(text: &str) -> Option<IpAddr> {
    let bracketed =
        || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port)
}

/// One proxy's element of `Forwarded`.
#[derive(Debug, Default)]
struct Element {
    /// `None` if it is missing or hidden.
    node: Option<IpAddr>,
    proto: Option<String>,
    host: Option<String>,
}

/// Returns `None` if the element has more than one reading.
fn parse_element(element: &str) -> Option<Element> {
    let mut read = Element::default();
    let (mut node, mut proto, mut host) = (None, None, None);
    for pair in split_unquoted(element, ';').parts {
        let (name, value) = pair.split_once('=')?;
        let place = match name.trim() {
            name if name.eq_ignore_ascii_case("for") => &mut node,
            name if name.eq_ignore_ascii_case("proto") => &mut proto,
            name if name.eq_ignore_ascii_case("host") => &mut host,
            _ => continue,
        };
        if place.replace(unquoted(value.trim())?).is_some() {
            return None;
        }
    }
    read.node = node.and_then(|node| parse_node(&node)).map(|address| address.to_canonical());
    (read.proto, read.host) = (proto, host);
    Some(read)
}

/// Returns the string of a token or of a quoted string; `None` if a quote is not closed.
fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let inner = rest.strip_suffix('"')?;
    let (mut text, mut escaped) = (String::with_capacity(inner.len()), false);
    for character in inner.chars() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return None,
            _ => {
                text.push(character);
                escaped = false;
            }
        }
    }
    (!escaped).then_some(text)
}
use crate::model::split_unquoted;
