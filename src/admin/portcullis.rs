//! Operations that WSO2 has no path for: audit, gateways, moving keys, users, sign-up,
//! statistics, last uses.

mod audit;
mod gateways;
mod last_use;
mod move_keys;
mod own_password;
mod sign_up;
mod statistics;
#[cfg(test)]
mod tests;
mod user_body;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::admin::state::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/audit", get(audit::list))
        .route("/move-keys", post(move_keys::move_keys))
        .route("/sign-up", post(sign_up::sign_up))
        .route("/me/change-password", post(own_password::change))
        .route("/users", get(users::list).post(users::create))
        .route("/users/{id}", get(users::show).put(users::update).delete(users::delete))
        .route("/gateways", get(gateways::list))
        .route("/statistics", get(statistics::show))
        .route("/applications/{id}/last-use", get(last_use::show))
}
