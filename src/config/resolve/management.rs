//! Reads `[management]` and `[portal]`.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::pem;
use crate::config::reader::Table;
use crate::config::resolve::address::address;
use crate::config::resolve::proxies::networks;
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::secret::secret;
use crate::config::resolve::unique::Unique;
use crate::config::source::Sources;
use crate::model::gateway::{
    ManagementSettings, ManagementTokens, ManagementUser, PortalSettings, UserRole,
};
use crate::model::key_manager::{Fetch, KeyManager};
use crate::model::network::NetworkRule;

/// Returns the networks that addresses of the management API may lead to.
pub(super) fn foreign_networks(roots: &RootTables<'_>) -> NetworkRule {
    // a second table is reported by the code that reads the listener
    let table = roots.tables.iter().find_map(|root| root.table("management"));
    let allowed = table.map(|table| networks(&table, "allowed_networks"));
    NetworkRule::new(allowed.unwrap_or_default())
}

pub(super) fn management(
    roots: &RootTables<'_>,
    sources: &Sources,
    calls: Arc<Fetch>,
) -> Option<ManagementSettings> {
    let table = roots.once("management")?;
    let default = SocketAddr::from(([127, 0, 0, 1], 9443));
    let address = address(&table, "address", Some(default))?;
    let tls = match table.table("tls") {
        // without its certificate the listener must not fall back to plain HTTP
        Some(tls) => Some(pem::pair(&tls, sources)?),
        None => None,
    };
    Some(ManagementSettings {
        address: address.value,
        tls,
        users: users(&table, sources),
        tokens: tokens(&table),
        hosts: table
            .texts("hosts")
            .unwrap_or_default()
            .iter()
            .map(|host| host.value.to_owned())
            .collect(),
        calls,
        place: sources.place(&table.at()),
    })
}

pub(super) fn portal(roots: &RootTables<'_>) -> PortalSettings {
    let default = PortalSettings::default();
    let Some(table) = roots.once("portal") else { return default };
    PortalSettings {
        self_signup: table.flag("self_signup", default.self_signup),
        terms: table.text("terms").map(|terms| terms.value.to_owned()).unwrap_or_default(),
        key_provisioning: table.flag("key_provisioning", default.key_provisioning),
        validate_existing_keys: table
            .flag("validate_existing_keys", default.validate_existing_keys),
    }
}

fn tokens(table: &Table<'_>) -> Option<ManagementTokens> {
    let claim = |key: &str, default: &str| {
        table.text(key).map_or_else(|| default.to_owned(), |claim| claim.value.to_owned())
    };
    let (roles_claim, groups_claim) =
        (claim("roles_claim", "roles"), claim("groups_claim", "groups"));
    let key_manager = table.text("token_key_manager")?.value.to_owned();
    Some(ManagementTokens { key_manager, roles_claim, groups_claim })
}

/// Refuses a `token_key_manager` that judges no token, since no caller could sign in by it.
pub(super) fn check_token_key_manager(roots: &RootTables<'_>, key_managers: &[KeyManager]) {
    let Some(table) = roots.once("management") else { return };
    let Some(name) = table.text("token_key_manager") else { return };
    let found = key_managers.iter().find(|own| own.name.as_str() == name.value);
    if found.is_some_and(|key_manager| key_manager.enabled) {
        return;
    }
    let why = if found.is_some() { "is disabled" } else { "is not there" };
    table.error(
        "token_key_manager",
        format!("the key manager {:?} of `management.token_key_manager` {why}", name.value),
        Some("name an enabled key manager, and no template of several".to_owned()),
    );
}

fn users(table: &Table<'_>, sources: &Sources) -> Vec<ManagementUser> {
    let mut names = Unique::default();
    let mut users = Vec::new();
    for user in table.tables("users") {
        let name = user.needed("name");
        if !user.has("password_hash") {
            user.problems().error(
                user.at(),
                "`management.users.password_hash` is missing".to_owned(),
                None,
            );
        }
        let hash = secret(&user, "password_hash", sources);
        let (Some(name), Some(password_hash)) = (name, hash) else { continue };
        if !password_hash.reveal().starts_with("$argon2") {
            let hint = Some(
                "write one such as $argon2id$v=19$m=19456,t=2,p=1$...; the tool `argon2` makes it"
                    .to_owned(),
            );
            user.error(
                "password_hash",
                "`management.users.password_hash` is not an Argon2 hash in PHC format".to_owned(),
                hint,
            );
            continue;
        }
        if names.claim(name.value, &name.at, "user", user.problems()) {
            let roles = roles(&user);
            let groups = user.texts("groups").unwrap_or_default();
            let groups = groups.iter().map(|group| group.value.to_owned()).collect();
            let name = name.value.to_owned();
            users.push(ManagementUser { name, password_hash, roles, groups });
        }
    }
    users
}

fn roles(user: &Table<'_>) -> Vec<UserRole> {
    let written = user.texts("roles").unwrap_or_default();
    let mut roles = Vec::new();
    for text in &written {
        match UserRole::named(text.value) {
            Some(role) => roles.push(role),
            None => user.not_a_choice("roles", text, UserRole::NAMES),
        }
    }
    if written.is_empty() {
        let message = "the user has no role, so every call of it is refused".to_owned();
        let hint = format!("add `roles`; known are {}", UserRole::NAMES.join(", "));
        user.problems().warning(user.at(), message, Some(hint));
    }
    roles
}
