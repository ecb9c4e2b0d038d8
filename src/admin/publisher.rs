//! WSO2's publisher API, v4: APIs with their operations, backends and life cycle.
//!
//! The files: `apis` with `body` (WSO2's form), `read` (from it), `shown` (to it), `endpoints`,
//! `operations`, `fields` and `defaults` (parts of it), `search`; `lifecycle` with `state`.

mod apis;
mod body;
mod defaults;
mod endpoints;
mod fields;
mod lifecycle;
mod operations;
mod read;
mod search;
mod shown;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::admin::state::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/apis", get(apis::list).post(apis::create))
        .route("/apis/{id}", get(apis::get).put(apis::update).delete(apis::delete))
        .route("/apis/change-lifecycle", post(lifecycle::change))
        .route("/apis/{id}/lifecycle-state", get(lifecycle::state))
        .route("/apis/{id}/lifecycle-state/pending-tasks", delete(lifecycle::pending_tasks))
        .route("/apis/{id}/lifecycle-history", get(lifecycle::history))
}
