//! The reasons for which a server did not do as asked.

use crate::fetch::{FetchFailure, FetchUrl};

/// The reason for which a call to an authorization server failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationFailure {
    /// The key manager lacks a setting that the call needs.
    #[error("{0}")]
    Setting(String),
    #[error(transparent)]
    Fetch(#[from] FetchFailure),
    /// The server answered that it will not.
    #[error("{}", told(host, *status, error.as_deref(), description.as_deref()))]
    Refused { host: String, status: u16, error: Option<String>, description: Option<String> },
    #[error("the answer of {host} cannot be used: {why}")]
    Unreadable { host: String, why: &'static str },
}

impl RegistrationFailure {
    /// An answer of the server at this address that cannot be used.
    pub(super) fn unreadable(url: &str, why: &'static str) -> Self {
        let host = FetchUrl::read(url).map(|own| own.host().to_owned()).unwrap_or_default();
        Self::Unreadable { host, why }
    }

    /// Tells whether the server blames the caller's request, and not the gateway's credentials or a
    /// failure of its own.
    pub fn is_of_the_request(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 409 | 422, .. })
    }

    /// Tells whether the server answers that there is no such client. RFC 7592 prescribes 401 for
    /// it, since the token is deleted with the client.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 404 | 410, .. })
    }
}

fn told(host: &str, status: u16, error: Option<&str>, description: Option<&str>) -> String {
    match (error, description) {
        (Some(error), Some(description)) => {
            format!("{host} answered {status} ({error}: {description:?})")
        }
        (Some(said), None) => format!("{host} answered {status} ({said})"),
        (None, Some(said)) => format!("{host} answered {status} ({said:?})"),
        (None, None) => format!("{host} answered {status}"),
    }
}
