//! Reads how applications get keys of a key manager.

use crate::config::contract::PERMISSION_TYPES;
use crate::config::reader::Table;
use crate::config::resolve::secret::secret;
use crate::config::source::Sources;
use crate::model::key_manager::{Credentials, RegistrationSettings};
use crate::model::provisioning::{KeyPermissions, KeyProvisioning};

pub(super) fn provisioning(table: &Table<'_>) -> KeyProvisioning {
    let default = KeyProvisioning::default();
    let permissions = table.table("permissions");
    KeyProvisioning {
        token_generation: table.flag("token_generation", default.token_generation),
        oauth_app_creation: table.flag("oauth_app_creation", default.oauth_app_creation),
        out_of_band: table.flag("out_of_band_provisioning", default.out_of_band),
        permissions: permissions.map(|table| self::permissions(&table)).unwrap_or_default(),
    }
}

/// Reads the credentials with which the gateway registers clients.
pub(super) fn registration(
    table: &Table<'_>,
    sources: &Sources,
    credentials: Option<Credentials>,
) -> RegistrationSettings {
    let Some(table) = table.table("registration") else {
        return RegistrationSettings { credentials, ..RegistrationSettings::default() };
    };
    RegistrationSettings {
        credentials,
        initial_access_token: table
            .has("initial_access_token")
            .then(|| secret(&table, "initial_access_token", sources))
            .flatten(),
        software_statement: table
            .has("software_statement")
            .then(|| secret(&table, "software_statement", sources))
            .flatten(),
    }
}

fn permissions(table: &Table<'_>) -> KeyPermissions {
    let roles = table.texts("roles").unwrap_or_default();
    let roles: Vec<_> = roles.iter().map(|role| role.value.to_owned()).collect();
    let kind = table.needed("type").and_then(|_| table.choice("type", PERMISSION_TYPES));
    // the error is reported, and permission is refused until it is corrected
    let Some(kind) = kind else { return KeyPermissions::Allow(Vec::new()) };
    match (kind, roles.is_empty()) {
        ("public", true) => KeyPermissions::Public,
        ("public", false) => {
            let message =
                format!("`{}` is for the types \"allow\" and \"deny\"", table.path("roles"));
            table.error("roles", message, None);
            KeyPermissions::Public
        }
        (_, true) => {
            let message = format!("`{}` is missing", table.path("roles"));
            table.problems().error(table.at(), message, None);
            KeyPermissions::Allow(Vec::new())
        }
        ("deny", false) => KeyPermissions::Deny(roles),
        _ => KeyPermissions::Allow(roles),
    }
}
