//! WSO2's admin API, v4: key managers, throttling and deny policies, applications of all users.

mod applications;
mod deny_policies;
mod key_managers;
mod policies;
mod settings;

use std::sync::Arc;

use axum::Router;

use crate::admin::state::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .merge(applications::router())
        .merge(key_managers::router())
        .merge(policies::router())
        .merge(deny_policies::router())
        .merge(settings::router())
}
