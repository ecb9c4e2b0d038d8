//! What is asked: `GET https://host/path`, a token, and what proves that it is in the right hand.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderValue, Method, Uri};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::cli::arguments::ExplainOptions;
use crate::cli::token_file;
use crate::jwt::Unverified;
use crate::proxy::decision::ConnectionFacts;

/// A request to judge.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) host: String,
    token: Option<String>,
    proof: Option<String>,
    certificate: Option<[u8; 32]>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidQuestion {
    #[error(
        "{0:?} is not a request; write a method and an address, such as 'GET /accounts/1.0.0/accounts/42'"
    )]
    Request(String),
    #[error("{0:?} is not an address or a path")]
    Address(String),
    #[error("the token cannot be read: {0}")]
    Token(#[from] std::io::Error),
    #[error("the token holds a character that cannot stand in a header")]
    TokenCharacter,
    #[error("the DPoP proof holds a character that cannot stand in a header")]
    ProofCharacter,
    #[error("{0} does not begin with a certificate in PEM")]
    Certificate(String),
}

impl Question {
    pub(super) fn read(options: &ExplainOptions) -> Result<Self, InvalidQuestion> {
        let token = match (&options.token, &options.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(path)) => Some(token_file::read(path)?),
            (None, None) => None,
        };
        let token = token.as_deref().map(|text| token_file::bare(text).to_owned());
        let question = Self::parse(&options.request, token)?;
        let certificate = options.client_certificate.as_deref().map(certificate).transpose()?;
        question.with_evidence(options.dpop.clone(), certificate)
    }

    /// With what a client shows beside its token; a proof makes it a token of the scheme `DPoP`.
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

    /// From the words of a request line; a trailing `HTTP/1.1` is taken too.
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
        Ok(Self { method, uri, host, token, proof: None, certificate: None })
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whose token it says it is; nobody vouches for that.
    pub(super) fn issuer(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        let unverified = Unverified::parse(token.as_bytes(), token.len()).ok()?;
        unverified.issuer().map(str::to_owned)
    }

    /// The request's headers, with the token in this header.
    pub(super) fn headers(&self, header: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let scheme = if self.proof.is_some() { "DPoP" } else { "Bearer" };
        let value = self
            .token
            .as_ref()
            .and_then(|token| HeaderValue::try_from(format!("{scheme} {token}")).ok());
        if let (Some(mut value), Ok(name)) = (value, http::HeaderName::try_from(header)) {
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

    /// The SHA-256 of the client's certificate.
    pub(super) fn certificate(&self) -> Option<[u8; 32]> {
        self.certificate
    }

    /// As if the request had come over a connection with this certificate. Without an address, nobody knows the host.
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

/// The SHA-256 of the first certificate of a file.
fn certificate(path: &Path) -> Result<[u8; 32], InvalidQuestion> {
    let wrong = || InvalidQuestion::Certificate(path.display().to_string());
    let der = CertificateDer::from_pem_file(path).map_err(|_| wrong())?;
    digest(&SHA256, &der).as_ref().try_into().map_err(|_| wrong())
}
