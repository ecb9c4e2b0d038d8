//! WSO2's developer portal API, v3: applications, keys, subscriptions, the catalog of APIs.

use std::sync::Arc;

use axum::Router;

use crate::admin::service::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
}
