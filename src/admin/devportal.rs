//! WSO2's developer portal API, v3: applications, keys, subscriptions, the catalog of APIs.
//!
//! The files: `applications` with `application` (its form) and `visible` (the objects that a caller
//! may see); `resetting` (counts that begin anew); `exporting` and `importing` with `archive` and
//! `import_parts`; `map_keys` with `existing_client`; `generate_keys` with `wish`, `regulatory` and
//! `property_faults`; `callbacks` (addresses that users return to); `oauth_keys`, `generate_token`
//! and `client_secrets` with `key` (its form) and `own_key`; `clients` (authorization servers) with
//! `server_scopes`, `created` (the record of a client there), `created_keys` (changes of it),
//! `removing` (clients of a deleted application) and
//! `unused_scopes`; `subscriptions` and `subscribing` with `subscription`; `apis` with `api`,
//! `policies`, `key_managers` with `roles` (permissions) and `client_form`, `settings`.

mod api;
pub(super) mod apis;
pub(super) mod application;
pub(super) mod applications;
mod archive;
mod callbacks;
mod client_form;
mod client_secrets;
mod clients;
mod created;
mod created_keys;
pub(super) mod existing_client;
mod exporting;
mod generate_keys;
mod generate_token;
pub(super) mod holding;
mod import_parts;
mod importing;
pub(super) mod key;
pub(super) mod key_managers;
mod map_keys;
pub(super) mod oauth_keys;
pub(super) mod own_key;
pub(super) mod policies;
mod property_faults;
mod regulatory;
pub(super) mod removing;
mod requested_client;
mod resetting;
pub(super) mod roles;
mod server_scopes;
mod settings;
mod subscribing;
pub(super) mod subscription;
mod subscriptions;
pub(super) mod unused_scopes;
pub(super) mod visible;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::admin::state::Admin;

pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/applications", get(applications::list).post(applications::create))
        .route(
            "/applications/{id}",
            get(applications::get).put(applications::update).delete(removing::delete),
        )
        .route("/applications/{id}/reset-throttle-policy", post(resetting::reset_throttle_policy))
        .route("/applications/export", get(exporting::export))
        .route("/applications/import", post(importing::import))
        .merge(keys())
        .route("/subscriptions", get(subscriptions::list).post(subscribing::create))
        .route("/subscriptions/multiple", post(subscribing::create_several))
        .route(
            "/subscriptions/{id}",
            get(subscriptions::get).put(subscriptions::update).delete(subscriptions::delete),
        )
        .route("/subscriptions/{id}/additionalInfo", get(subscriptions::additional))
        .route("/subscriptions/{id}/usage", get(subscriptions::usage))
        .route("/apis", get(apis::list))
        .route("/apis/{id}", get(apis::get))
        .route("/apis/{id}/subscription-policies", get(apis::subscription_policies))
        .route("/throttling-policies/{level}", get(policies::list))
        .route("/throttling-policies/{level}/{name}", get(policies::get))
        .route("/key-managers", get(key_managers::list))
        .route("/settings", get(settings::get))
        .route("/settings/application-attributes", get(settings::application_attributes))
}

fn keys() -> Router<Arc<Admin>> {
    const ONE: &str = "/applications/{id}/oauth-keys/{mapping}";
    const ONLY: &str = "/applications/{id}/keys/{type}";
    Router::new()
        .route("/applications/{id}/map-keys", post(map_keys::map_keys))
        .route("/applications/{id}/generate-keys", post(generate_keys::generate_keys))
        .route("/applications/{id}/oauth-keys", get(oauth_keys::list))
        .route(ONE, get(oauth_keys::get).put(oauth_keys::update).delete(oauth_keys::delete))
        .route(&format!("{ONE}/clean-up"), post(oauth_keys::clean_up))
        .route(&format!("{ONE}/generate-token"), post(generate_token::generate_token))
        .route(&format!("{ONE}/regenerate-secret"), post(client_secrets::regenerate))
        .route(&format!("{ONE}/generate-secret"), post(client_secrets::add))
        .route(&format!("{ONE}/secrets"), get(client_secrets::list))
        .route(&format!("{ONE}/revoke-secret"), post(client_secrets::revoke))
        .route("/applications/{id}/keys", get(oauth_keys::list))
        .route(ONLY, get(oauth_keys::get_only).put(oauth_keys::update_only))
        .route(&format!("{ONLY}/clean-up"), post(oauth_keys::clean_up_only))
        .route(&format!("{ONLY}/generate-token"), post(generate_token::generate_token_only))
        .route(&format!("{ONLY}/regenerate-secret"), post(client_secrets::regenerate_only))
}
