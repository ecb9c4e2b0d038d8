//! The errors of `portcullis import`, with their remedies.

use crate::cli::exit;
use crate::cli::import::completion::WantedError;
use crate::cli::import::metadata::MetadataError;
use crate::fetch::FetchFailure;
use crate::jwt::KeySetError;
use crate::model::names::InvalidName;

/// The reason why there is no table.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error(
        "the address must use https and contain no user or password; plain http works for \
         loopback, or with --allow-http"
    )]
    Address,
    #[error("the name given with --name {0}")]
    Name(#[from] InvalidName),
    // the file's name is not shown: it may be the token itself
    #[error(
        "cannot read the file given with --token: {0}; write a file's name, or - for standard input"
    )]
    Token(std::io::Error),
    #[error("the file given with --token contains no token")]
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
        "the introspection endpoint must use https; plain http works for loopback, or with \
         --allow-http"
    )]
    IntrospectionAddress,
    #[error("cannot read {file} with the client's secret: {source}")]
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
    /// Returns the exit code: a server failed, or an argument is wrong.
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

/// The document that was being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Document,
    Keys,
}

/// Returns the remedy for a failed fetch; the failure's own hint is for gateway.toml.
fn advice(failure: &FetchFailure, asked: Reading) -> &'static str {
    match failure {
        FetchFailure::Tls { .. } => {
            "\n  give the authority that signed the server's certificate with --ca FILE"
        }
        FetchFailure::Insecure { .. } => {
            "\n  if you trust the whole way to the server, add --allow-http"
        }
        FetchFailure::Status { .. } | FetchFailure::ContentType { .. }
            if asked == Reading::Document =>
        {
            "\n  the address usually is the issuer followed by /.well-known/openid-configuration"
        }
        _ => "",
    }
}
