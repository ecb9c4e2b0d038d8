//! The keys at the top of a file.

use super::api::API;
use super::application::APPLICATION;
use super::backend_jwt::BACKEND_JWT;
use super::gateway::{ERRORS, GATEWAY, LIMITS};
use super::key_manager::{KEY_MANAGER, KEY_MANAGER_DEFAULTS};
use super::listener::LISTENER;
use super::management::{MANAGEMENT, PORTAL, STORE};
use super::revocation::REVOCATION;
use super::rule::{TableRule, ValueKind, key};
use super::telemetry::TELEMETRY;
use super::throttling::{DENY_CONDITION, THROTTLING, THROTTLING_POLICY};

pub(in crate::config) static ROOT: TableRule = TableRule {
    keys: &[
        key("include", ValueKind::Texts, "More files of this shape; * matches within a file name"),
        key("application_files", ValueKind::Texts, "Files with one application a line, as JSON"),
        key("gateway", ValueKind::Table(&GATEWAY), "The gateway itself"),
        key("listeners", ValueKind::Tables(&LISTENER), "The addresses where clients connect"),
        key("limits", ValueKind::Table(&LIMITS), "Limits for each client"),
        key(
            "management",
            ValueKind::Table(&MANAGEMENT),
            "The listener for health, metrics and reload",
        ),
        key("portal", ValueKind::Table(&PORTAL), "Rights of application developers"),
        key("store", ValueKind::Table(&STORE), "The store for what the management API creates"),
        key(
            "key_manager_defaults",
            ValueKind::Table(&KEY_MANAGER_DEFAULTS),
            "Defaults for every key manager",
        ),
        key(
            "key_managers",
            ValueKind::Tables(&KEY_MANAGER),
            "The authorization servers whose tokens are accepted",
        ),
        key("apis", ValueKind::Tables(&API), "The APIs that are served"),
        key(
            "applications",
            ValueKind::Tables(&APPLICATION),
            "The applications that may call, with keys and subscriptions",
        ),
        key("throttling", ValueKind::Table(&THROTTLING), "Counting of requests"),
        key("throttling_policies", ValueKind::Tables(&THROTTLING_POLICY), "Named limits"),
        key(
            "deny_conditions",
            ValueKind::Tables(&DENY_CONDITION),
            "Requests that are refused first",
        ),
        key("revocation", ValueKind::Table(&REVOCATION), "The spreading of revocations"),
        key("backend_jwt", ValueKind::Table(&BACKEND_JWT), "The token that backends get"),
        key("telemetry", ValueKind::Table(&TELEMETRY), "Logs and metrics"),
        key("errors", ValueKind::Table(&ERRORS), "The format of error bodies"),
    ],
};
