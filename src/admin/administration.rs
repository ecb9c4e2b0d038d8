//! WSO2's admin API, v4: key managers, throttling and deny policies, applications of everybody.

mod applications;

use std::sync::Arc;

use axum::Router;

use crate::admin::service::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new().merge(applications::router())
}
