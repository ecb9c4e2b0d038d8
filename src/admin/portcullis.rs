//! What WSO2 has no path for: audit, gateways, moving keys, sign-up.

use std::sync::Arc;

use axum::Router;

use crate::admin::service::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
}
