//! Why there is no table, and what to do about it.

use crate::cli::exit;
use crate::cli::import::completion::WantedError;
use crate::cli::import::metadata::MetadataError;
use crate::fetch::FetchFailure;
use crate::jwt::KeySetError;
use crate::model::names::InvalidName;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error(
        "the address must be one of https, without a user or a password in it; plain http is for loopback, or with --allow-http"
    )]
    Address,
    #[error("the name given with --name {0}")]
    Name(#[from] InvalidName),
    // the name of the file is not told: it may be the token itself
    #[error(
        "the file given with --token cannot be read: {0}; write a file's name, or - for standard input"
    )]
    Token(std::io::Error),
    #[error("the file given with --token holds no token")]
    NoToken,
    #[error("{file} cannot be read: {source}")]
    Authorities {
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{url}: {failure}{}", advice(failure, Reading::Document))]
    Document { url: String, failure: FetchFailure },
    #[error("{url}: {failure}")]
    Metadata { url: String, failure: MetadataError },
    #[error("the key set {url}: {failure}{}", advice(failure, Reading::Keys))]
    Keys { url: String, failure: FetchFailure },
    #[error("the key set {url}: {failure}")]
    KeySet { url: String, failure: KeySetError },
    #[error("the document names no introspection endpoint; give it with --introspection-endpoint")]
    NoIntrospection,
    #[error(
        "the introspection endpoint must be one of https; plain http is for loopback, or with --allow-http"
    )]
    IntrospectionAddress,
    #[error("{file} with the client's secret cannot be read: {source}")]
    Secret {
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{0}")]
    Wanted(#[from] WantedError),
    #[error("the runtime cannot start: {0}")]
    Runtime(std::io::Error),
}

impl ImportError {
    /// Whether a server stands in the way, or what was given.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Address
            | Self::Name(_)
            | Self::Token(_)
            | Self::NoToken
            | Self::Authorities { .. }
            | Self::IntrospectionAddress
            | Self::Secret { .. }
            | Self::Wanted(_) => exit::CONFIGURATION,
            Self::Document { .. }
            | Self::Metadata { .. }
            | Self::Keys { .. }
            | Self::KeySet { .. }
            | Self::NoIntrospection
            | Self::Runtime(_) => exit::FAILED,
        }
    }
}

/// What was being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Document,
    Keys,
}

/// What to do about it here, where the failure's own words are for gateway.toml.
fn advice(failure: &FetchFailure, asked: Reading) -> &'static str {
    match failure {
        FetchFailure::Tls { .. } => {
            "\n  give the authority that signed the server's certificate with --ca FILE"
        }
        FetchFailure::Insecure { .. } => "\n  if you trust everyone on the way, add --allow-http",
        FetchFailure::Status { .. } | FetchFailure::ContentType { .. }
            if asked == Reading::Document =>
        {
            "\n  the address usually is the issuer with /.well-known/openid-configuration behind it"
        }
        _ => "",
    }
}
