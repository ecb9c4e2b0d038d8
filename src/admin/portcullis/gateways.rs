//! `GET /gateways`: the gateways of one store, and which revision each has in force.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::admin::caller::Caller;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::GatewayState;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownGateway {
    name: String,
    version: String,
    revision: u64,
    /// Revisions of the store that it does not have yet.
    behind: u64,
    /// Milliseconds since the epoch.
    seen_at: i64,
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
) -> Result<Response, Refused> {
    caller.needs(&["admin", "admin_operations"])?;
    let head = admin.catalog.store().head().await?;
    let gateways = admin.catalog.store().gateways().await?;
    let shown: Vec<_> = gateways
        .into_iter()
        .map(|GatewayState { name, version, revision, seen_at, .. }| {
            let behind = head.revision.saturating_sub(revision);
            ShownGateway { name, version, revision, behind, seen_at }
        })
        .collect();
    let answer = json!({ "revision": head.revision, "count": shown.len(), "list": shown });
    Ok(Json(answer).into_response())
}
