//! The scopes of WSO2's APIs that each role has.
//!
//! A scope is granted here only if an operation asks for it, or if WSO2's command line tool asks
//! for it when it logs in. `audit_view` and `gateway_view` are our own.

use crate::admin::caller::CallerScopes;
use crate::model::gateway::UserRole;

/// The prefix of all scopes.
pub(super) const PREFIX: &str = "apim:";

/// Scopes of every role: command line tools log in for all of them.
const EVERYBODY: &[&str] = &["dcr:app_manage"];

/// Scopes that only an administrator has.
const ADMINISTRATION: &[&str] = &[
    "admin",
    "admin_operations",
    "admin_tier_manage",
    "api_provider_change",
    "app_import_export",
    "app_owner_change",
    "app_settings_change",
    "environment_manage",
    "keymanagers_manage",
    "policies_import_export",
    "role_manage",
    "scope_manage",
    "user_manage",
];

/// Scopes for reading the objects of administrators.
const ADMINISTRATION_VIEW: &[&str] = &[
    "admin_application_view",
    "admin_settings",
    "admin_tier_view",
    "audit_view",
    "bl_view",
    "environment_read",
    "gateway_view",
];

/// Scopes of operators.
const OPERATION: &[&str] = &["bl_manage"];

const PUBLICATION: &[&str] = &[
    "api_create",
    "api_delete",
    "api_generate_key",
    "api_import_export",
    "api_manage",
    "api_mediation_policy_manage",
    "api_product_import_export",
    "api_publish",
    "client_certificates_add",
    "client_certificates_manage",
    "client_certificates_update",
    "client_certificates_view",
    "comment_manage",
    "comment_view",
    "comment_write",
    "common_operation_policy_manage",
    "common_operation_policy_view",
    "document_create",
    "document_manage",
    "ep_certificates_add",
    "ep_certificates_manage",
    "ep_certificates_update",
    "ep_certificates_view",
    "gateway_policy_manage",
    "gateway_policy_view",
    "mediation_policy_create",
    "mediation_policy_manage",
    "mediation_policy_view",
    "pub_alert_manage",
    "shared_scope_manage",
    "subscription_block",
    "subscription_manage",
    "threat_protection_policy_create",
    "threat_protection_policy_manage",
    "tier_manage",
];

const PUBLICATION_VIEW: &[&str] = &[
    "api_definition_view",
    "api_list_view",
    "api_view",
    "publisher_settings",
    "subscription_view",
    "tier_view",
];

const DEVELOPMENT: &[&str] =
    &["api_key", "app_manage", "store_settings", "sub_alert_manage", "sub_manage", "subscribe"];

/// Returns the scopes of a user with these roles.
pub(super) fn scopes_of(roles: &[UserRole]) -> CallerScopes {
    let lists = roles.iter().flat_map(|role| of_role(*role));
    CallerScopes::new(lists.copied().flatten().map(|scope| format!("{PREFIX}{scope}")))
}

fn of_role(role: UserRole) -> &'static [&'static [&'static str]] {
    match role {
        UserRole::Admin => &[
            EVERYBODY,
            ADMINISTRATION,
            ADMINISTRATION_VIEW,
            OPERATION,
            PUBLICATION,
            PUBLICATION_VIEW,
            DEVELOPMENT,
        ],
        UserRole::Operator => &[EVERYBODY, ADMINISTRATION_VIEW, OPERATION, PUBLICATION_VIEW],
        UserRole::Publisher => &[EVERYBODY, PUBLICATION, PUBLICATION_VIEW],
        UserRole::Developer => &[EVERYBODY, DEVELOPMENT],
        UserRole::Viewer => &[EVERYBODY, ADMINISTRATION_VIEW, PUBLICATION_VIEW],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_own_scopes() {
        let holds = |role, scope: &str| scopes_of(&[role]).holds(&format!("apim:{scope}"));
        for scope in ["admin", "keymanagers_manage", "api_publish", "subscribe", "audit_view"] {
            assert!(holds(UserRole::Admin, scope), "{scope}");
            assert!(!scopes_of(&[]).holds(&format!("apim:{scope}")), "{scope}");
        }
        assert!(holds(UserRole::Publisher, "api_create"));
        assert!(holds(UserRole::Developer, "app_manage"));
        assert!(holds(UserRole::Operator, "bl_manage"));
        assert!(holds(UserRole::Viewer, "api_view"));
        for role in [UserRole::Operator, UserRole::Publisher, UserRole::Developer, UserRole::Viewer]
        {
            assert!(!holds(role, "admin") && !holds(role, "user_manage"), "{role:?}");
        }
        for scope in ["api_create", "subscription_block", "app_manage", "bl_manage"] {
            assert!(!holds(UserRole::Viewer, scope), "{scope}");
        }
        assert!(!holds(UserRole::Developer, "api_view"));
        let both = scopes_of(&[UserRole::Developer, UserRole::Publisher]);
        assert!(both.holds("apim:subscribe") && both.holds("apim:api_publish"));
    }

    #[test]
    fn every_role_is_read_by_its_name() {
        for name in UserRole::NAMES {
            assert_eq!(UserRole::named(name).unwrap().name(), *name);
        }
    }
}
