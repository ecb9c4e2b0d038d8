//! Finds out whether a policy is in use.

use serde_json::Value;

use crate::admin::administration::policies::shown::level_and_name;
use crate::admin::catalog::Catalog;
use crate::admin::object::Object;
use crate::model::policy::PolicyLevel;
use crate::store::{Kind, StoreError, WriteCondition};

/// Tells whether an API, an application or a subscription has a policy.
pub(super) async fn is_attached(
    catalog: &Catalog,
    level: PolicyLevel,
    policy: &Object,
) -> Result<bool, StoreError> {
    let Some((_, name)) = level_and_name(&policy.record) else { return Ok(false) };
    match level {
        PolicyLevel::Custom => Ok(false),
        PolicyLevel::Advanced => api_names(catalog, &["policy"], name).await,
        PolicyLevel::Application => held_by(catalog, Kind::Application, level, name).await,
        PolicyLevel::Subscription => {
            let offered = api_names(catalog, &["policies"], name).await?;
            Ok(offered || held_by(catalog, Kind::Subscription, level, name).await?)
        }
    }
}

/// Tells whether an API, or an operation of one, names a policy under one of these keys.
async fn api_names(catalog: &Catalog, keys: &[&str], name: &str) -> Result<bool, StoreError> {
    let apis = catalog.all(Kind::Api).await?;
    Ok(apis.iter().any(|api| {
        let operations = api.record.declared.get("operations").and_then(Value::as_array);
        let tables = operations.into_iter().flatten().filter_map(Value::as_object);
        std::iter::once(&api.record.declared).chain(tables).any(|table| {
            keys.iter().any(|key| match table.get(*key) {
                Some(Value::String(own)) => own == name,
                Some(Value::Array(all)) => all.iter().any(|own| own == name),
                _ => false,
            })
        })
    }))
}

/// Tells whether an application or a subscription has a policy.
async fn held_by(
    catalog: &Catalog,
    kind: Kind,
    level: PolicyLevel,
    name: &str,
) -> Result<bool, StoreError> {
    if catalog.policy_in_files(kind, level, name).await? {
        return Ok(true);
    }
    Ok(catalog.store().holders(kind, name).await? > 0)
}

/// Returns the conditions under which a policy may go, for who gives it to somebody at the same
/// time.
pub(super) fn unheld(level: PolicyLevel, policy: &Object) -> Vec<WriteCondition> {
    let kind = match level {
        PolicyLevel::Application => Kind::Application,
        PolicyLevel::Subscription => Kind::Subscription,
        PolicyLevel::Advanced | PolicyLevel::Custom => return Vec::new(),
    };
    let named = level_and_name(&policy.record).into_iter();
    named.map(|(_, name)| WriteCondition::Unheld { kind, policy: name.to_owned() }).collect()
}
