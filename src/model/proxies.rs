//! The proxies in front of the gateway: their networks, and the headers that are trusted.

use std::net::IpAddr;

use http::HeaderName;
use ipnet::IpNet;

/// The trusted proxies, with the headers in which they describe a client. No other header is
/// trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies {
    pub networks: Vec<IpNet>,
    pub headers: ForwardedHeaders,
    /// `None`: no header about client certificates is trusted.
    pub certificate: Option<CertificateHeader>,
}

impl TrustedProxies {
    /// No proxy is trusted.
    pub const NONE: Self =
        Self { networks: Vec::new(), headers: ForwardedHeaders::DEFAULT, certificate: None };

    pub fn include(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }
}

/// A header that describes the request as the outermost proxy received it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeader {
    For,
    Proto,
    Host,
    Port,
    Prefix,
    /// `Forwarded` (RFC 7239), with `for`, `proto` and `host`.
    Standard,
}

impl ForwardedHeader {
    pub const ALL: [Self; 6] =
        [Self::For, Self::Proto, Self::Host, Self::Port, Self::Prefix, Self::Standard];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::For => "X-Forwarded-For",
            Self::Proto => "X-Forwarded-Proto",
            Self::Host => "X-Forwarded-Host",
            Self::Port => "X-Forwarded-Port",
            Self::Prefix => "X-Forwarded-Prefix",
            Self::Standard => "Forwarded",
        }
    }

    /// Reads a name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|header| header.as_str().eq_ignore_ascii_case(name))
    }
}

/// The trusted headers. Every trusted proxy must overwrite them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardedHeaders(u8);

impl ForwardedHeaders {
    pub const NONE: Self = Self(0);
    /// `X-Forwarded-For` and `X-Forwarded-Proto`, which every balancer writes.
    pub const DEFAULT: Self = Self::NONE.with(ForwardedHeader::For).with(ForwardedHeader::Proto);

    #[must_use]
    pub const fn with(self, header: ForwardedHeader) -> Self {
        Self(self.0 | 1 << header as u8)
    }

    pub const fn has(self, header: ForwardedHeader) -> bool {
        self.0 & (1 << header as u8) != 0
    }
}

impl Default for ForwardedHeaders {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The header in which the trusted proxies send the certificate that a client proved to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateHeader {
    pub name: HeaderName,
    pub format: CertificateFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFormat {
    /// `:BASE64-OF-DER:` (RFC 9440).
    Rfc9440,
    /// Envoy's `X-Forwarded-Client-Cert`.
    Xfcc,
    /// PEM, percent-encoded: nginx's `$ssl_client_escaped_cert`, AWS' `X-Amzn-Mtls-Clientcert`.
    PemUrlencoded,
    /// The Base64 of the DER form.
    Base64Der,
}

impl CertificateFormat {
    pub const ALL: [Self; 4] = [Self::Rfc9440, Self::Xfcc, Self::PemUrlencoded, Self::Base64Der];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rfc9440 => "rfc9440",
            Self::Xfcc => "xfcc",
            Self::PemUrlencoded => "pem_urlencoded",
            Self::Base64Der => "base64_der",
        }
    }
}
