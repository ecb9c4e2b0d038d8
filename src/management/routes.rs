//! Finds the endpoint for a path and a method.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::telemetry::ManagementCall;

/// An endpoint of the management listener.
#[derive(Debug, Clone)]
pub(super) enum ManagementRoute {
    Alive,
    Ready,
    Metrics,
    Jwks,
    Reload,
    Revoke(RevocationTeller),
    ListRevocations,
    TakeBack(String),
    RefreshKeys(String),
    Explain,
}

/// The sender of a revocation, which decides the format of its message.
#[derive(Debug, Clone, Copy)]
pub(super) enum RevocationTeller {
    IdentityServer,
    Operator,
}

/// The reason why no endpoint was found.
#[derive(Debug, Clone, Copy)]
pub(super) enum NoEndpoint {
    Path,
    /// The path exists, but only for these methods.
    Methods(&'static str),
}

impl ManagementRoute {
    /// Finds the endpoint of a path and a method.
    pub(super) fn find(path: &str, method: &Method, notices: bool) -> Result<Self, NoEndpoint> {
        let reading = matches!(*method, Method::GET | Method::HEAD);
        let posting = *method == Method::POST;
        let allow = |allowed: bool, endpoint: Self, methods: &'static str| {
            if allowed { Ok(endpoint) } else { Err(NoEndpoint::Methods(methods)) }
        };
        if let Some(id) = path.strip_prefix(ONE_REVOCATION) {
            let endpoint = Self::TakeBack(id.to_owned());
            return allow(*method == Method::DELETE, endpoint, "DELETE");
        }
        if let Some(name) = refreshed_key_manager(path) {
            return allow(posting, Self::RefreshKeys(name), "POST");
        }
        match path {
            "/livez" => allow(reading, Self::Alive, "GET, HEAD"),
            "/readyz" => allow(reading, Self::Ready, "GET, HEAD"),
            "/metrics" => allow(reading, Self::Metrics, "GET, HEAD"),
            "/jwks" => allow(reading, Self::Jwks, "GET, HEAD"),
            "/reload" => allow(posting, Self::Reload, "POST"),
            "/explain" => allow(posting, Self::Explain, "POST"),
            NOTIFY if notices => {
                allow(posting, Self::Revoke(RevocationTeller::IdentityServer), "POST")
            }
            REVOCATIONS if reading => Ok(Self::ListRevocations),
            REVOCATIONS => {
                allow(posting, Self::Revoke(RevocationTeller::Operator), "GET, HEAD, POST")
            }
            _ => Err(NoEndpoint::Path),
        }
    }

    /// Returns true for endpoints that answer under any host name: probes may use any.
    pub(super) fn is_probe(&self) -> bool {
        matches!(self, Self::Alive | Self::Ready)
    }

    pub(super) fn takes_body(&self) -> bool {
        matches!(self, Self::Revoke(_) | Self::Explain)
    }

    /// Returns the kind of change, for the log and the metrics; `None` if the endpoint only reads.
    pub(super) fn change(&self) -> Option<ManagementCall> {
        match self {
            Self::Reload => Some(ManagementCall::Reload),
            Self::Revoke(RevocationTeller::Operator) => Some(ManagementCall::Revocation),
            Self::Revoke(RevocationTeller::IdentityServer) => Some(ManagementCall::Notice),
            Self::TakeBack(_) => Some(ManagementCall::TakenBack),
            Self::RefreshKeys(_) => Some(ManagementCall::KeyRefresh),
            Self::Alive
            | Self::Ready
            | Self::Metrics
            | Self::Jwks
            | Self::ListRevocations
            | Self::Explain => None,
        }
    }
}

/// Returns the name in `/key-managers/NAME/refresh`. The name of an organization contains slashes.
fn refreshed_key_manager(path: &str) -> Option<String> {
    let name = path.strip_prefix("/key-managers/")?.strip_suffix("/refresh")?;
    let name = percent_decode_str(name).decode_utf8().ok()?;
    (!name.is_empty()).then(|| name.into_owned())
}

/// The path to which WSO2 Identity Server sends its notices.
const NOTIFY: &str = "/internal/data/v1/notify";

const REVOCATIONS: &str = "/revocations";

const ONE_REVOCATION: &str = "/revocations/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths() {
        assert_eq!(refreshed_key_manager("/key-managers/is7/refresh").as_deref(), Some("is7"));
        assert_eq!(
            refreshed_key_manager("/key-managers/is7/a.b/c/refresh").as_deref(),
            Some("is7/a.b/c")
        );
        assert_eq!(
            refreshed_key_manager("/key-managers/my%20server%2Fx/refresh").as_deref(),
            Some("my server/x")
        );
        for path in ["/key-managers//refresh", "/key-managers/x", "/key-managers/%ff/refresh"] {
            assert_eq!(refreshed_key_manager(path), None, "{path}");
        }
    }
}
