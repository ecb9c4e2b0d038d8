//! WSO2's publisher API, v4: APIs with their operations, backends and life cycle.
//!
//! The files: `apis` with `one_api` (finds an API for a call, changes it, answers with it), `body`
//! (WSO2's form), `read` (from it), `shown` (to it), `endpoints`, `operations`, `fields` and
//! `defaults` (parts of it), `search` and `existing`; `lifecycle` with `state`; `revisions` with
//! `revision`; `definitions` with `definition_form`, `definition` (read) and `definition_shown`;
//! `subscriptions`; `scopes` with `shared_scope`; `lists`.

mod apis;
mod body;
mod defaults;
mod definition;
mod definition_form;
mod definition_shown;
mod definitions;
mod endpoints;
mod existing;
mod fields;
mod lifecycle;
mod lists;
mod one_api;
mod operations;
mod read;
mod revision;
mod revisions;
mod scopes;
pub(super) mod search;
mod shared_scope;
mod shown;
mod state;
mod subscriptions;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{any, delete, get, post};

use crate::admin::caller::Caller;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/apis", get(apis::list).post(apis::create))
        .route("/apis/{id}", get(apis::get).put(apis::update).delete(apis::delete))
        .route("/apis/validate", post(existing::validate))
        .route("/apis/change-lifecycle", post(lifecycle::change))
        .route("/apis/{id}/lifecycle-state", get(lifecycle::state))
        .route("/apis/{id}/lifecycle-state/pending-tasks", delete(lifecycle::pending_tasks))
        .route("/apis/{id}/lifecycle-history", get(lifecycle::history))
        .route("/apis/{id}/revisions", get(revisions::list).post(revisions::create))
        .route("/apis/{id}/revisions/{revision}", get(revisions::get).delete(revisions::delete))
        .route("/apis/{id}/deployments", get(revisions::deployments))
        .route("/apis/{id}/deploy-revision", post(revisions::deploy))
        .route("/apis/{id}/undeploy-revision", post(revisions::undeploy))
        .route("/apis/{id}/restore-revision", post(revisions::restored))
        .route("/apis/{id}/swagger", get(definitions::get).put(definitions::put))
        .route("/apis/import-openapi", post(definitions::import))
        .route("/apis/validate-openapi", post(definitions::validate))
        .route("/apis/{id}/subscription-policies", get(lists::subscription_policies))
        .route("/subscriptions", get(subscriptions::list))
        .route("/subscriptions/block-subscription", post(subscriptions::block))
        .route("/subscriptions/unblock-subscription", post(subscriptions::unblock))
        .route("/subscriptions/change-business-plan", post(subscriptions::change_plan))
        .route("/subscriptions/{id}/subscriber-info", get(subscriptions::subscriber))
        .route("/subscriptions/{id}/usage", get(subscriptions::usage))
        .route("/scopes", get(scopes::list).post(scopes::create))
        .route(
            "/scopes/{id}",
            get(scopes::get).head(scopes::look).put(scopes::update).delete(scopes::delete),
        )
        .route("/scopes/{id}/usage", get(scopes::used_by))
        .route("/throttling-policies/{level}", get(lists::throttling_policies))
        .route("/throttling-policies/{level}/{name}", get(lists::throttling_policy))
        .route("/key-managers", get(lists::key_managers))
        .route("/settings", get(lists::settings))
        .merge(missing())
}

/// Refuses by name the operations of WSO2 that a gateway does not need.
fn missing() -> Router<Arc<Admin>> {
    lists::MISSING.into_iter().fold(Router::new(), |router, (path, what)| {
        let refuse = move |_caller: Caller| async move {
            Err::<Response, _>(Refused::not_implemented(what))
        };
        router.route(path, any(refuse))
    })
}
