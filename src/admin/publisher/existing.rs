//! `POST /apis/validate`: tells whether a name, a version or a context is taken.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;

use crate::admin::caller::Caller;
use crate::admin::publisher::one_api::CREATE;
use crate::admin::publisher::search::ApiSearchTerms;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::Kind;

#[derive(Debug, Default, Deserialize)]
pub(super) struct ExistenceQuestion {
    query: Option<String>,
}

/// Answers 200 if such an API exists, and 404 if not, as WSO2 does.
pub(super) async fn validate(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Parameters(question): Parameters<ExistenceQuestion>,
) -> Result<Response, Refused> {
    caller.needs(CREATE)?;
    let query = question.query.filter(|query| !query.trim().is_empty());
    let query = query.ok_or_else(|| Refused::bad_request("`query` is missing"))?;
    let terms = ApiSearchTerms::read(&query)?.whole();
    let all = admin.catalog.all(Kind::Api).await?;
    if all.iter().any(|api| terms.fit(&api.record)) {
        return Ok(StatusCode::OK.into_response());
    }
    Err(Refused::not_found("there is no such API"))
}
