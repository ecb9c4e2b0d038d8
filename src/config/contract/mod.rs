//! Every key that `gateway.toml` may contain: the one table behind the reader, its hints and the
//! JSON Schema.

mod api;
mod application;
mod backend_jwt;
mod gateway;
mod key_manager;
mod listener;
mod management;
mod revocation;
mod root;
mod rule;
mod telemetry;
mod throttling;
mod words;

pub(super) use key_manager::{CREDENTIALS, CREDENTIALS_FILE};
pub(super) use root::ROOT;
pub(super) use rule::{KeyRule, TableRule, ValueKind};
pub(super) use throttling::{CONDITION_KINDS, DENY_TYPES, POLICY_LEVELS};
pub(super) use words::{
    ALGORITHMS, CERTIFICATE_FORMATS, CREDENTIAL_METHODS, KEY_MANAGER_TYPES, PERMISSION_TYPES,
    RETRY_CAUSES,
};
