//! WSO2's publisher API, v4: APIs with their operations, backends and life cycle.

use std::sync::Arc;

use axum::Router;

use crate::admin::service::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
}
