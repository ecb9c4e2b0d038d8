//! The question that `explain` answers: a request such as `GET https://host/path`, a token, and the
//! client's proof of possession.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::jwt::Unverified;
use crate::model::clock::UnixSeconds;
use crate::proxy::ConnectionFacts;

/// A question as it is sent to a running gateway: either `request` or `denial`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenQuestion {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dpop: Option<String>,
    /// The client's certificate, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// Other headers, `name: value`, for policies with conditions on headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// The client's address; the explanation shows its budgets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The time to judge at, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The id of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<String>,
}

impl fmt::Debug for WrittenQuestion {
    /// Shows neither the token nor the proof.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written")
            .field("request", &self.request)
            .field("denial", &self.denial)
            .finish_non_exhaustive()
    }
}

/// A request to judge.
pub struct ExplainRequest {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) host: String,
    pub(super) at: Option<UnixSeconds>,
    pub(super) client: Option<IpAddr>,
    pub(super) others: HeaderMap,
    token: Option<String>,
    proof: Option<String>,
    certificate: Option<[u8; 32]>,
}

impl fmt::Debug for ExplainRequest {
    /// Shows neither the token nor the proof.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("method", &self.method)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidQuestion {
    #[error(
        "{0:?} is not a request; write a method and an address, such as 'GET \
         /accounts/1.0.0/accounts/42'"
    )]
    Request(String),
    #[error("{0:?} is not an address or a path")]
    Address(String),
    #[error("the token contains a character that is not valid in a header")]
    TokenCharacter,
    #[error("the DPoP proof contains a character that is not valid in a header")]
    ProofCharacter,
    #[error("the client certificate does not begin with a certificate in PEM")]
    Certificate,
    #[error("{0:?} is not a header; write a name and a value, such as 'x-tier: gold'")]
    Header(String),
    #[error("there is neither a request nor the id of a refusal to explain")]
    Nothing,
}

impl ExplainRequest {
    /// Reads a question in its written form.
    pub fn read(written: &WrittenQuestion) -> Result<Self, InvalidQuestion> {
        let line = written.request.as_deref().ok_or(InvalidQuestion::Nothing)?;
        let question = Self::parse(line, written.token.clone())?;
        let certificate = written.client_certificate.as_deref().map(certificate).transpose()?;
        let question = question.with_evidence(written.dpop.clone(), certificate)?;
        let others = written.headers.iter().map(|line| other_header(line));
        let others = others.collect::<Result<HeaderMap, _>>()?;
        Ok(Self { at: written.at.map(UnixSeconds), client: written.client, others, ..question })
    }

    /// Adds the client's proof and certificate. With a proof, the token is sent with the scheme
    /// `DPoP`.
    pub(super) fn with_evidence(
        self,
        proof: Option<String>,
        certificate: Option<[u8; 32]>,
    ) -> Result<Self, InvalidQuestion> {
        let proof = proof.map(|proof| proof.trim().to_owned());
        if proof.as_ref().is_some_and(|proof| HeaderValue::try_from(proof.as_str()).is_err()) {
            return Err(InvalidQuestion::ProofCharacter);
        }
        Ok(Self { proof, certificate, ..self })
    }

    /// Reads a request line; a trailing `HTTP/1.1` is accepted.
    pub(super) fn parse(line: &str, token: Option<String>) -> Result<Self, InvalidQuestion> {
        let mut words = line.split_whitespace();
        let (Some(method), Some(address)) = (words.next(), words.next()) else {
            return Err(InvalidQuestion::Request(line.to_owned()));
        };
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| InvalidQuestion::Request(line.to_owned()))?;
        let uri: Uri = address.parse().map_err(|_| InvalidQuestion::Address(address.to_owned()))?;
        let host = uri
            .authority()
            .map_or_else(String::new, |authority| authority.host().to_ascii_lowercase());
        if token.as_ref().is_some_and(|token| HeaderValue::try_from(token.as_str()).is_err()) {
            return Err(InvalidQuestion::TokenCharacter);
        }
        Ok(Self {
            method,
            uri,
            host,
            at: None,
            client: None,
            others: HeaderMap::new(),
            token,
            proof: None,
            certificate: None,
        })
    }

    /// Returns the time to judge at, if it is not now.
    pub fn at(&self) -> Option<UnixSeconds> {
        self.at
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Returns the issuer that the token names, unverified.
    pub(super) fn issuer(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        let unverified = Unverified::parse(token.as_bytes(), token.len()).ok()?;
        unverified.issuer().map(str::to_owned)
    }

    /// Returns the request's headers, with the token in this one.
    pub(super) fn headers(&self, header: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let scheme = if self.proof.is_some() { "DPoP" } else { "Bearer" };
        let value = self
            .token
            .as_ref()
            .and_then(|token| HeaderValue::try_from(format!("{scheme} {token}")).ok());
        if let (Some(mut value), Ok(name)) = (value, HeaderName::try_from(header)) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        if let Some(proof) =
            self.proof.as_ref().and_then(|proof| HeaderValue::try_from(proof.as_str()).ok())
        {
            headers.insert("dpop", proof);
        }
        headers
    }

    pub(super) fn proof(&self) -> Option<&str> {
        self.proof.as_deref()
    }

    /// Returns the SHA-256 of the client's certificate.
    pub(super) fn certificate(&self) -> Option<[u8; 32]> {
        self.certificate
    }

    /// Returns the facts of a connection with this certificate. A request without a whole address
    /// has no host.
    pub(super) fn connection(&self) -> ConnectionFacts<'_> {
        let scheme = if self.uri.scheme_str() == Some("http") { "http" } else { "https" };
        let authority = self.uri.authority().map_or("", http::uri::Authority::as_str);
        ConnectionFacts {
            certificate: self.certificate,
            peer: None,
            client: None,
            scheme,
            authority,
            path: self.uri.path(),
            prefix: "",
        }
    }
}

/// Reads a header as people write it.
fn other_header(line: &str) -> Result<(HeaderName, HeaderValue), InvalidQuestion> {
    let read = |(name, value): (&str, &str)| {
        let name = HeaderName::try_from(name.trim()).ok()?;
        Some((name, HeaderValue::try_from(value.trim()).ok()?))
    };
    let header = line.split_once(':').and_then(read);
    header.ok_or_else(|| InvalidQuestion::Header(line.to_owned()))
}

/// Returns the SHA-256 of the first certificate in a PEM text.
fn certificate(pem: &str) -> Result<[u8; 32], InvalidQuestion> {
    let der =
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| InvalidQuestion::Certificate)?;
    digest(&SHA256, &der).as_ref().try_into().map_err(|_| InvalidQuestion::Certificate)
}
