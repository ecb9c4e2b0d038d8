//! The top of a file.

use super::api::API;
use super::application::APPLICATION;
use super::backend_jwt::BACKEND_JWT;
use super::gateway::{ERRORS, GATEWAY, LIMITS};
use super::key_manager::{KEY_MANAGER, KEY_MANAGER_DEFAULTS};
use super::listener::LISTENER;
use super::management::{MANAGEMENT, STORE};
use super::revocation::REVOCATION;
use super::rule::{TableRule, ValueKind, key};
use super::telemetry::TELEMETRY;
use super::throttling::{THROTTLING, THROTTLING_POLICY};

pub(in crate::config) static ROOT: TableRule = TableRule {
    keys: &[
        key(
            "include",
            ValueKind::Texts,
            "More files of this same shape; * matches within a file's name",
        ),
        key("application_files", ValueKind::Texts, "Files with one application a line, as JSON"),
        key("gateway", ValueKind::Table(&GATEWAY), "The gateway itself"),
        key("listeners", ValueKind::Tables(&LISTENER), "Where clients connect"),
        key("limits", ValueKind::Table(&LIMITS), "What one client may cost"),
        key(
            "management",
            ValueKind::Table(&MANAGEMENT),
            "The listener for health, metrics and reload",
        ),
        key("store", ValueKind::Table(&STORE), "Where what the management API creates is kept"),
        key(
            "key_manager_defaults",
            ValueKind::Table(&KEY_MANAGER_DEFAULTS),
            "What holds for every key manager",
        ),
        key(
            "key_managers",
            ValueKind::Tables(&KEY_MANAGER),
            "The authorization servers whose tokens are believed",
        ),
        key("apis", ValueKind::Tables(&API), "What is exposed"),
        key(
            "applications",
            ValueKind::Tables(&APPLICATION),
            "Who may call, with which keys and subscriptions",
        ),
        key("throttling", ValueKind::Table(&THROTTLING), "How requests are counted"),
        key("throttling_policies", ValueKind::Tables(&THROTTLING_POLICY), "Named limits"),
        key("revocation", ValueKind::Table(&REVOCATION), "How revoked tokens become known"),
        key("backend_jwt", ValueKind::Table(&BACKEND_JWT), "The token that backends get"),
        key("telemetry", ValueKind::Table(&TELEMETRY), "Logs and metrics"),
        key("errors", ValueKind::Table(&ERRORS), "How refusals are written"),
    ],
};
