//! The answer to `?dryRun=true`: one form for all operations.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::admin::live::Preview;

/// Marks the answer of a call that changed nothing.
#[derive(Debug, Clone)]
pub(super) struct DryRun(pub(super) Preview);

/// Puts the answer that the call would have had beside its effects. The status is 200 and no header
/// names an object, because none was made.
pub(super) async fn told(mut response: Response) -> Response {
    let Some(DryRun(preview)) = response.extensions_mut().remove::<DryRun>() else {
        return response;
    };
    // the gateway's own body is in memory already, so this neither waits nor fails
    let body = response.into_body().collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let result: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = json!({
        "dryRun": true,
        "warnings": preview.warnings,
        "access": preview.access,
        "result": result,
    });
    Json(answer).into_response()
}
