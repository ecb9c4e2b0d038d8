//! `GET /throttling/policies/search`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::administration::policies::{every, shown};
use crate::admin::caller::Caller;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::policy::PolicyLevel;

#[derive(Debug, Default, Deserialize)]
pub(super) struct PolicySearch {
    query: Option<String>,
}

/// WSO2's short name of a level.
pub(super) fn short(level: PolicyLevel) -> &'static str {
    match level {
        PolicyLevel::Subscription => "sub",
        PolicyLevel::Application => "app",
        PolicyLevel::Advanced => "api",
        PolicyLevel::Custom => "global",
    }
}

/// Returns the level of a short name.
pub(super) fn of_short(text: &str) -> Result<PolicyLevel, Refused> {
    let found = PolicyLevel::ALL.into_iter().find(|level| short(*level) == text);
    found.ok_or_else(|| Refused::bad_request("`type` is sub, app, api or global"))
}

/// Finds policies by `type:` and by the beginning of their names.
pub(super) async fn search(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Parameters(search): Parameters<PolicySearch>,
) -> Result<Response, Refused> {
    caller.needs(&["admin", "tier_view", "admin_tier_view", "policies_import_export"])?;
    let (mut level, mut prefix) = (None, String::new());
    for word in search.query.as_deref().unwrap_or_default().split_whitespace() {
        match word.split_once(':') {
            Some(("type", kind)) => level = Some(of_short(kind)?),
            Some(("name", name)) => prefix = name.to_lowercase(),
            Some((other, _)) => {
                let other: String = other.chars().take(50).collect();
                let description = format!("`query` knows type: and name:, and not {other:?}");
                return Err(Refused::bad_request(description));
            }
            None => prefix = word.to_lowercase(),
        }
    }
    let all = every(&admin.catalog).await?;
    let list: Vec<_> = all
        .iter()
        .filter_map(|object| {
            let (own, name) = shown::level_and_name(&object.record)?;
            let fits =
                level.is_none_or(|level| level == own) && name.to_lowercase().starts_with(&prefix);
            fits.then(|| line(own, &shown::policy(object)))
        })
        .collect();
    Ok(Json(json!({ "count": list.len(), "list": list })).into_response())
}

fn line(level: PolicyLevel, policy: &Value) -> Value {
    let part = |key: &str| policy.get(key).cloned().unwrap_or_default();
    json!({
        "uuid": part("policyId"),
        "policyName": part("policyName"),
        "displayName": part("displayName"),
        "description": part("description"),
        "isDeployed": true,
        "type": short(level),
    })
}
