//! The PROXY protocol, versions 1 and 2: the client behind the balancer that opened a connection.
//!
//! Reads a header and nothing behind it, and never uses half of one. The extensions of version 2
//! are bounded and skipped. Specification: haproxy.org, "The PROXY protocol, versions 1 & 2".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;

/// The longest accepted header: addresses, and room for the extensions of balancers.
pub const LONGEST: usize = 4096;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;

/// The meaning of a connection's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preamble {
    /// More bytes are needed to decide.
    Incomplete,
    /// Not a PROXY header: the peer is the client.
    Absent,
    /// A header of so many bytes. `None`: the balancer is itself the client, or does not know the
    /// client (`LOCAL`, `UNKNOWN`).
    Present { length: usize, client: Option<SocketAddr> },
}

/// It starts as a PROXY header and is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a malformed PROXY header")]
pub struct MalformedPreamble;

/// Reads the beginning of a connection.
pub fn read(bytes: &[u8]) -> Result<Preamble, MalformedPreamble> {
    if is_start(bytes, SIGNATURE) {
        return if bytes.len() < FIXED { Ok(Preamble::Incomplete) } else { binary(bytes) };
    }
    if is_start(bytes, b"PROXY ") {
        return if bytes.len() < 6 { Ok(Preamble::Incomplete) } else { line(bytes) };
    }
    Ok(if bytes.is_empty() { Preamble::Incomplete } else { Preamble::Absent })
}

/// Tells whether the bytes so far are those of the mark.
fn is_start(bytes: &[u8], mark: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().zip(mark).all(|(byte, wanted)| byte == wanted)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 51000 443\r\n`
fn line(bytes: &[u8]) -> Result<Preamble, MalformedPreamble> {
    let start = bytes.get(..bytes.len().min(LONGEST_LINE)).unwrap_or_default();
    let Some(end) = start.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LONGEST_LINE {
            Ok(Preamble::Incomplete)
        } else {
            Err(MalformedPreamble)
        };
    };
    let text = start
        .get(..end)
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or(MalformedPreamble)?;
    let length = end.saturating_add(2);
    let fields: Vec<&str> = text.split(' ').collect();
    match fields.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(Preamble::Present { length, client: None }),
        ["PROXY", family, source, destination, source_port, destination_port] => {
            let (source, destination) = (address(family, source)?, address(family, destination)?);
            let (source_port, _) = (port(source_port)?, port(destination_port)?);
            let _ = destination;
            Ok(Preamble::Present { length, client: Some(SocketAddr::new(source, source_port)) })
        }
        _ => Err(MalformedPreamble),
    }
}

fn address(family: &str, text: &str) -> Result<IpAddr, MalformedPreamble> {
    match family {
        "TCP4" => text.parse().map(IpAddr::V4).map_err(|_| MalformedPreamble),
        "TCP6" => text.parse().map(IpAddr::V6).map_err(|_| MalformedPreamble),
        _ => Err(MalformedPreamble),
    }
}

/// Digits only, and no leading zero: one spelling.
fn port(text: &str) -> Result<u16, MalformedPreamble> {
    let digits =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if digits { text.parse().map_err(|_| MalformedPreamble) } else { Err(MalformedPreamble) }
}

fn binary(bytes: &[u8]) -> Result<Preamble, MalformedPreamble> {
    let field = |at: usize| bytes.get(at).copied().ok_or(MalformedPreamble);
    let (version_command, family, length) =
        (field(12)?, field(13)?, u16::from_be_bytes([field(14)?, field(15)?]));
    let total = FIXED.saturating_add(usize::from(length));
    if version_command >> 4 != 2 || total > LONGEST {
        return Err(MalformedPreamble);
    }
    if bytes.len() < total {
        return Ok(Preamble::Incomplete);
    }
    let body = bytes.get(FIXED..total).ok_or(MalformedPreamble)?;
    let client = match (version_command & 0xF, family) {
        // a health check of the balancer itself
        (1, 0x11) => Some(ipv4(body)?),
        (1, 0x21) => Some(ipv6(body)?),
        // the balancer's own health check, or a family whose addresses mean nothing here
        (0 | 1, _) => None,
        _ => return Err(MalformedPreamble),
    };
    Ok(Preamble::Present { length: total, client })
}

fn ipv4(body: &[u8]) -> Result<SocketAddr, MalformedPreamble> {
    let [a, b, c, d, _, _, _, _, high, low, _, _] =
        *body.first_chunk::<12>().ok_or(MalformedPreamble)?;
    Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), u16::from_be_bytes([high, low])))
}

fn ipv6(body: &[u8]) -> Result<SocketAddr, MalformedPreamble> {
    let whole = body.first_chunk::<36>().ok_or(MalformedPreamble)?;
    let source = whole.first_chunk::<16>().ok_or(MalformedPreamble)?;
    let port = whole
        .get(32..34)
        .and_then(|port| <[u8; 2]>::try_from(port).ok())
        .ok_or(MalformedPreamble)?;
    Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*source)), u16::from_be_bytes(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "reads as what it is compared with")]
    fn present(length: usize, client: &str) -> Result<Preamble, MalformedPreamble> {
        Ok(Preamble::Present { length, client: client.parse().ok() })
    }

    #[test]
    fn a_line_names_the_client() {
        let line = b"PROXY TCP4 203.0.113.7 198.51.100.1 51000 443\r\nGET / HTTP/1.1\r\n";
        assert_eq!(read(line), present(47, "203.0.113.7:51000"));
        assert_eq!(
            read(b"PROXY TCP6 2001:db8::7 2001:db8::1 51000 443\r\n"),
            present(46, "[2001:db8::7]:51000")
        );
        assert_eq!(read(b"PROXY UNKNOWN anything at all\r\n"), present(31, ""));
    }

    #[test]
    fn a_binary_header_names_the_client_and_its_extensions_are_skipped() {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([
            0x21, 0x11, 0, 17, 203, 0, 113, 7, 198, 51, 100, 1, 0xC7, 0x38, 1, 0xBB, 4, 0, 2, 1, 1,
        ]);
        assert_eq!(read(&bytes), present(33, "203.0.113.7:51000"));
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Ok(Preamble::Incomplete), "{cut}");
        }
        let mut six = SIGNATURE.to_vec();
        six.extend([0x21, 0x21, 0, 36, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        six.extend([0; 16]);
        six.extend([0xC7, 0x38, 1, 0xBB]);
        assert_eq!(read(&six), present(52, "[2001:db8::7]:51000"));
        let mut local = SIGNATURE.to_vec();
        local.extend([0x20, 0, 0, 0]);
        assert_eq!(read(&local), present(16, ""));
    }

    #[test]
    fn other_bytes_are_a_client_that_speaks_for_itself() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PRI * HTTP/2.0\r\n",
            b"POST / ",
            b"\x16\x03\x01\x02",
            b"PROXYING",
            b"\r\nGET",
        ] {
            assert_eq!(read(bytes), Ok(Preamble::Absent), "{bytes:?}");
        }
        for bytes in [&b""[..], b"P", b"PROXY", b"PROXY TCP4 203.0.113.7", b"\r\n\r\n"] {
            assert_eq!(read(bytes), Ok(Preamble::Incomplete), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_half_a_header_is_refused() {
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
        for bytes in [
            &b"PROXY \r\n"[..],
            b"PROXY TCP4 203.0.113.7 198.51.100.1 51000\r\n",
            b"PROXY TCP4 2001:db8::7 198.51.100.1 51000 443\r\n",
            b"PROXY TCP4 203.0.113.7 198.51.100.1 051000 443\r\n",
            b"PROXY TCP4 203.0.113.7 198.51.100.1 70000 443\r\n",
            b"PROXY TCP4 203.0.113.7 198.51.100.1 +1 443\r\n",
            b"PROXY UDP4 203.0.113.7 198.51.100.1 51000 443\r\n",
            long.as_bytes(),
        ] {
            assert_eq!(read(bytes), Err(MalformedPreamble), "{}", String::from_utf8_lossy(bytes));
        }
        for rest in [[0x11, 0x11, 0, 12], [0x22, 0x11, 0, 12], [0x21, 0x11, 0xFF, 0xFF]] {
            let mut bytes = SIGNATURE.to_vec();
            bytes.extend(rest);
            bytes.extend([0; 12]);
            assert_eq!(read(&bytes), Err(MalformedPreamble), "{rest:?}");
        }
        let mut short = SIGNATURE.to_vec();
        short.extend([0x21, 0x11, 0, 4, 1, 2, 3, 4]);
        assert_eq!(read(&short), Err(MalformedPreamble), "addresses that are not there");
    }
}
