//! The host that a request is for: read once, in one spelling, from its place in the request (RFC
//! 9112 section 3.2, RFC 9113 section 8.3.1).
//!
//! It is stricter than the grammar: a host is a DNS name or an IP address, so that the routed host
//! can be written into `X-Forwarded-Host` and `Forwarded` as it is. User information, encoded
//! characters and empty hosts are refused.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use http::header::HOST;
use http::{HeaderMap, Uri, Version};

/// The longest host: a DNS name has at most 253 characters.
const MAX_HOST_BYTES: usize = 255;

/// `host[:port]`. The host is in lower case and without a trailing dot; IPv6 stands in brackets, in
/// its shortest form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority<'r> {
    host: Cow<'r, str>,
    port: Option<u16>,
}

/// The reason why a request names no single host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAuthority {
    #[error("the request names no host")]
    Missing,
    #[error("the request has more than one Host header")]
    Several,
    #[error("the Host header and the request target name different hosts")]
    Disagree,
    #[error("the host holds user information")]
    UserInformation,
    #[error("the host is neither a DNS name nor an IP address")]
    Host,
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

/// Returns the host of a request: from the absolute form or `:authority` and from `Host`. If both
/// are present, they must agree. `None` only for HTTP/1.0, which knows requests without a host:
/// they reach APIs that are served under any host.
pub fn request_authority<'r>(
    version: Version,
    target: &'r Uri,
    headers: &'r HeaderMap,
) -> Result<Option<Authority<'r>>, InvalidAuthority> {
    let target_authority =
        target.authority().map(|authority| parse_authority(authority.as_str())).transpose()?;
    let mut fields = headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(InvalidAuthority::Several);
    }
    let Some(field) = field else {
        let may_lack = match version {
            Version::HTTP_09 | Version::HTTP_10 => true,
            // absolute form does not free an HTTP/1.1 client from sending Host
            Version::HTTP_11 => false,
            _ => target_authority.is_some(),
        };
        return if may_lack { Ok(target_authority) } else { Err(InvalidAuthority::Missing) };
    };
    let host = parse_authority(field.to_str().map_err(|_| InvalidAuthority::Host)?)?;
    match target_authority {
        None => Ok(Some(host)),
        Some(named)
            if named.host == host.host && same_port(named.port, host.port, target.scheme_str()) =>
        {
            Ok(Some(named))
        }
        Some(_) => Err(InvalidAuthority::Disagree),
    }
}

/// Reads `host[:port]`. Borrows when the host is in its one spelling already.
pub fn parse_authority(text: &str) -> Result<Authority<'_>, InvalidAuthority> {
    if text.contains('@') {
        return Err(InvalidAuthority::UserInformation);
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']').ok_or(InvalidAuthority::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| InvalidAuthority::Host)?;
        let port = match port {
            "" => None,
            _ => parse_port(port.strip_prefix(':').ok_or(InvalidAuthority::Port)?)?,
        };
        let spelled = format!("[{address}]");
        let host = match text.get(..spelled.len()) {
            Some(written) if written == spelled => Cow::Borrowed(written),
            _ => Cow::Owned(spelled),
        };
        return Ok(Authority { host, port });
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, parse_port(port)?),
        None => (text, None),
    };
    Ok(Authority { host: parse_name(host)?, port })
}

fn parse_name(host: &str) -> Result<Cow<'_, str>, InvalidAuthority> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let empty_label = || host.split('.').any(str::is_empty);
    if host.len() > MAX_HOST_BYTES || !host.bytes().all(named) || empty_label() {
        return Err(InvalidAuthority::Host);
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(Cow::Owned(host.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(host))
}

/// Reads the port; an empty one is left out (RFC 3986 section 3.2.3).
fn parse_port(digits: &str) -> Result<Option<u16>, InvalidAuthority> {
    if digits.is_empty() {
        return Ok(None);
    }
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    match digits.parse() {
        Ok(port) if plain && port != 0 => Ok(Some(port)),
        _ => Err(InvalidAuthority::Port),
    }
}

/// A port that is left out is the scheme's own.
fn same_port(one: Option<u16>, other: Option<u16>, scheme: Option<&str>) -> bool {
    let own = match scheme {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    one.or(own) == other.or(own)
}

impl Authority<'_> {
    /// Returns the host by which APIs are looked up.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
