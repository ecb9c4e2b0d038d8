//! The API's own description: OpenAPI documents, served without sign-in.
//!
//! Each API has a hand-written YAML file beside this one, with the special parts of its operations.
//! [`complete`] adds the parts that all operations share (`common.yaml`), and [`short_schema`]
//! expands the short names of types. YAML readers read JSON, so `/swagger.yaml` is the same
//! document as `/openapi.json`.

mod complete;
mod pattern;
mod short_schema;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Map, Value};

use crate::admin::refused::Refused;
use crate::admin::state::Admin;

/// One of the gateway's APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DescribedApi {
    Access,
    Admin,
    Devportal,
    Portcullis,
    Publisher,
}

impl DescribedApi {
    fn source(self) -> &'static str {
        match self {
            Self::Access => include_str!("openapi/access.yaml"),
            Self::Admin => include_str!("openapi/admin.yaml"),
            Self::Devportal => include_str!("openapi/devportal.yaml"),
            Self::Portcullis => include_str!("openapi/portcullis.yaml"),
            Self::Publisher => include_str!("openapi/publisher.yaml"),
        }
    }

    /// Returns the document of the API as it is served at `base`.
    fn document(self, base: &str) -> Result<Map<String, Value>, String> {
        complete::document(self.source(), base)
    }
}

/// A document in the form in which it is sent, made at the first request.
#[derive(Debug)]
struct ServedDocument {
    api: DescribedApi,
    base: String,
    text: OnceLock<Result<Bytes, String>>,
}

impl ServedDocument {
    fn text(&self) -> &Result<Bytes, String> {
        self.text.get_or_init(|| {
            let document = self.api.document(&self.base)?;
            let text = serde_json::to_vec(&document).map_err(|error| error.to_string())?;
            Ok(Bytes::from(text))
        })
    }

    fn answer(&self) -> Response {
        match self.text() {
            Ok(text) => {
                ([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response()
            }
            Err(error) => {
                tracing::error!(target: "portcullis::admin", error, "a document cannot be made");
                let description = "the document cannot be made";
                Refused::plain(StatusCode::INTERNAL_SERVER_ERROR, description).into_response()
            }
        }
    }
}

/// Serves the document of an API below `base`.
pub(super) fn router(api: DescribedApi, base: &str) -> Router<Arc<Admin>> {
    let (base, text) = (base.to_owned(), OnceLock::new());
    let document = Arc::new(ServedDocument { api, base, text });
    let other = Arc::clone(&document);
    Router::new()
        .route("/openapi.json", get(move || async move { document.answer() }))
        .route("/swagger.yaml", get(move || async move { other.answer() }))
}
