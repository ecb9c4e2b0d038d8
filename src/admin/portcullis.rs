//! What WSO2 has no path for: audit, gateways, moving keys, sign-up.

mod move_keys;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;

use crate::admin::service::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new().route("/move-keys", post(move_keys::move_keys))
}
