//! Refusals of the token endpoint (RFC 6749 section 5.2).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::admin::refused::Refused;

/// A refused request for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenRefused {
    status: StatusCode,
    error: &'static str,
    description: String,
    retry_after: Option<u32>,
}

impl TokenRefused {
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self { status, error, description: description.into(), retry_after: None }
    }

    pub(super) fn client() -> Self {
        let description = "the client is unknown, or its secret is wrong";
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new("invalid_client", description) }
    }

    pub(super) fn grant(description: &str) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(super) fn server(description: &str) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, ..Self::new("server_error", description) }
    }
}

impl From<Refused> for TokenRefused {
    /// Keeps the status of a refusal that is not about OAuth, such as a busy gateway.
    fn from(refused: Refused) -> Self {
        if refused.status == StatusCode::UNAUTHORIZED {
            return Self::grant("the user is unknown, or the password is wrong");
        }
        Self {
            status: refused.status,
            error: "temporarily_unavailable",
            description: refused.description,
            retry_after: refused.retry_after,
        }
    }
}

impl IntoResponse for TokenRefused {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"Portcullis\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
