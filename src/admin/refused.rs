//! Refusals of the API, in WSO2's error body.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::store::StoreError;

/// The challenge to a caller who sent no credentials, or wrong ones.
const BASIC: &str = "Basic realm=\"Portcullis\", charset=\"UTF-8\"";

/// A refused call. Its texts name the field and nothing internal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: StatusCode,
    /// WSO2's code, or the HTTP status if WSO2 has none.
    pub code: u32,
    pub message: String,
    pub description: String,
    /// Each fault on its own, if there are several.
    pub errors: Vec<ApiFault>,
    /// Seconds.
    pub retry_after: Option<u32>,
    /// The `WWW-Authenticate` field of a 401.
    pub challenge: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiFault {
    pub code: String,
    pub message: String,
}

#[derive(Serialize)]
struct ErrorBody<'e> {
    code: u32,
    message: &'e str,
    description: &'e str,
    #[serde(rename = "moreInfo")]
    more_info: &'e str,
    error: &'e [ApiFault],
}

impl Refused {
    pub fn new(
        status: StatusCode,
        code: u32,
        message: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            description: description.into(),
            errors: Vec::new(),
            retry_after: None,
            challenge: BASIC,
        }
    }

    /// A refusal that WSO2 has no code for.
    pub fn plain(status: StatusCode, description: impl Into<String>) -> Self {
        let message = status.canonical_reason().unwrap_or("Error");
        Self::new(status, u32::from(status.as_u16()), message, description)
    }

    /// A fault in the request: `description` names the field.
    pub fn bad_request(description: impl Into<String>) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, description)
    }

    pub fn not_found(description: impl Into<String>) -> Self {
        Self::plain(StatusCode::NOT_FOUND, description)
    }

    pub fn forbidden(description: impl Into<String>) -> Self {
        Self::plain(StatusCode::FORBIDDEN, description)
    }

    pub fn conflict(description: impl Into<String>) -> Self {
        Self::plain(StatusCode::CONFLICT, description)
    }

    /// A change of an object that a file declares.
    pub fn declared(what: &str, place: &str) -> Self {
        let description =
            format!("the {what} is declared in {place} and can be changed there only");
        Self::conflict(description)
    }

    /// A part of WSO2's API that has no function here.
    pub fn not_implemented(what: &str) -> Self {
        Self::plain(StatusCode::NOT_IMPLEMENTED, format!("{what} is not supported"))
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Taken { .. }
            | StoreError::InUse { .. }
            | StoreError::Gone { .. }
            | StoreError::Overtaken(_) => StatusCode::CONFLICT,
            StoreError::Missing { .. } => StatusCode::NOT_FOUND,
            StoreError::Changed { .. } => StatusCode::PRECONDITION_FAILED,
            StoreError::Full => StatusCode::INSUFFICIENT_STORAGE,
            StoreError::NoEncryptionKey | StoreError::Unfit(_) => StatusCode::BAD_REQUEST,
            StoreError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let description = match &error {
            StoreError::Unavailable(detail) | StoreError::Unreadable(detail) => {
                tracing::error!(target: "portcullis::admin", detail, "the store failed a call");
                "the store cannot be used at the moment".to_owned()
            }
            other => other.to_string(),
        };
        let mut refused = Self::plain(status, description);
        refused.retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        refused
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            code: self.code,
            message: &self.message,
            description: &self.description,
            more_info: "",
            error: &self.errors,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge));
        }
        response
    }
}
