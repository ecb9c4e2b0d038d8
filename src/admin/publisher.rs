//! WSO2's publisher API, v4: APIs with their operations, backends and life cycle.

use std::sync::Arc;

use axum::Router;

use crate::admin::state::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
}
