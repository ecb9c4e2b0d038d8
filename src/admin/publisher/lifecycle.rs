//! `change-lifecycle`, and the state of an API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::nulls::without_nulls;
use crate::admin::object::Object;
use crate::admin::publisher::one_api::{changeable, commit, find};
use crate::admin::publisher::revision::{deployed_with, marks, revisions};
use crate::admin::publisher::state::{PublicationState, is_undeployed, put};
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::timestamp::rfc3339;
use crate::store::{AuditEntry, AuditQuery, Change, Kind};

use PublicationState::{Blocked, Created, Deprecated, Prototyped, Published, Retired};

const PUBLISH: &[&str] = &["api_publish", "api_manage", "api_import_export"];
const SEE: &[&str] = &["api_view", "api_publish", "api_create", "api_manage"];

/// WSO2's default life cycle: state, event, next state.
const TRANSITIONS: [(PublicationState, &str, PublicationState); 13] = [
    (Created, "Publish", Published),
    (Created, "Deploy as a Prototype", Prototyped),
    (Prototyped, "Publish", Published),
    (Prototyped, "Demote to Created", Created),
    (Prototyped, "Deploy as a Prototype", Prototyped),
    (Published, "Publish", Published),
    (Published, "Block", Blocked),
    (Published, "Deploy as a Prototype", Prototyped),
    (Published, "Demote to Created", Created),
    (Published, "Deprecate", Deprecated),
    (Blocked, "Deprecate", Deprecated),
    (Blocked, "Re-Publish", Published),
    (Deprecated, "Retire", Retired),
];

/// WSO2's items of the checklist.
const DEPRECATE_OLD: &str = "Deprecate old versions after publishing the API";
const RESUBSCRIBE: &str = "Requires re-subscription when publishing the API";

/// The number of changes that the history shows: the latest ones.
const MOST_HISTORY: u64 = 1000;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransitionOrder {
    action: Option<String>,
    api_id: Option<String>,
    lifecycle_checklist: Option<String>,
}

pub(super) async fn change(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Parameters(order): Parameters<TransitionOrder>,
) -> Result<Response, Refused> {
    caller.needs(PUBLISH)?;
    let missing = |name: &str| Refused::bad_request(format!("`{name}` is missing"));
    let id = order.api_id.ok_or_else(|| missing("apiId"))?;
    let action = order.action.ok_or_else(|| missing("action"))?;
    let deprecates = deprecates_old(order.lifecycle_checklist.as_deref().unwrap_or_default())?;
    let api = changeable(&admin, &id).await?;
    let expected = if_match.expect(&api)?;
    let state = PublicationState::of(&api.record);
    let next = next(state, &action)?;
    let mut changes = Vec::new();
    let mut record = api.record.clone();
    // a published API is in force: it needs no deployment first
    let undeployed = is_undeployed(&record) && next == state;
    put(&mut record, next, undeployed);
    if next == Retired {
        let all = revisions(&admin, &api).await?;
        changes.extend(marks(&all, None));
    } else if next.is_served() && !undeployed {
        changes.extend(deployed_with(&admin, &api, &record).await?);
    }
    changes.insert(0, Change::Update { record, expected });
    if deprecates && next == Published {
        changes.extend(deprecations(&admin, &api).await?);
    }
    let committed =
        commit(&admin, &caller, "change-lifecycle", options, changes, Vec::new()).await?;
    let body = json!({ "workflowStatus": "APPROVED", "lifecycleState": shown(next) });
    Ok(committed.respond_tagged(Json(body)))
}

fn next(state: PublicationState, action: &str) -> Result<PublicationState, Refused> {
    let found = TRANSITIONS.iter().find(|(from, event, _)| *from == state && *event == action);
    found.map(|(_, _, next)| *next).ok_or_else(|| {
        let events: Vec<_> = of(state).map(|(event, _)| event).collect();
        let possible = if events.is_empty() { "none".to_owned() } else { events.join(", ") };
        let description =
            format!("`action`: an API that is {} has these: {possible}", state.word());
        let message = "Unsupported state change action";
        Refused::new(StatusCode::BAD_REQUEST, 900_381, message, description)
    })
}

fn of(state: PublicationState) -> impl Iterator<Item = (&'static str, PublicationState)> {
    let own = TRANSITIONS.iter().filter(move |(from, ..)| *from == state);
    own.map(|(_, event, next)| (*event, *next))
}

/// Reads the checklist, `item:true,item:false`. The other item asks for subscribing again; it has
/// no effect, because new versions have no subscriptions of old ones here.
fn deprecates_old(checklist: &str) -> Result<bool, Refused> {
    let mut deprecates = false;
    for item in checklist.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let refused = || {
            let description =
                format!("`lifecycleChecklist` has items such as `{DEPRECATE_OLD}:true`");
            Refused::bad_request(description)
        };
        let (name, flag) = item.rsplit_once(':').ok_or_else(refused)?;
        let flag: bool = flag.trim().parse().map_err(|_| refused())?;
        match name.trim() {
            DEPRECATE_OLD => deprecates = flag,
            RESUBSCRIBE => {}
            _ => return Err(refused()),
        }
    }
    Ok(deprecates)
}

/// Deprecates the other published versions of an API.
async fn deprecations(admin: &Admin, api: &Object) -> Result<Vec<Change>, Refused> {
    let name = api.record.text("name");
    let others = admin.catalog.all(Kind::Api).await?.into_iter().filter(|other| {
        other.record.text("name") == name
            && other.record.id != api.record.id
            && other.declared_at.is_none()
            && PublicationState::of(&other.record) == Published
    });
    Ok(others
        .map(|other| {
            let expected = Some(other.record.revision);
            let mut record = other.record;
            let undeployed = is_undeployed(&record);
            put(&mut record, Deprecated, undeployed);
            Change::Update { record, expected }
        })
        .collect())
}

pub(super) async fn state(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    seen: IfNoneMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(SEE)?;
    let api = find(&admin, &id).await?;
    Ok(seen.respond(&api, "", Json(shown(PublicationState::of(&api.record)))))
}

fn shown(state: PublicationState) -> Value {
    let transitions: Vec<_> = of(state)
        .map(|(event, next)| json!({ "event": event, "targetState": next.title() }))
        .collect();
    let item =
        |name: &str| json!({ "name": name, "value": false, "requiredStates": [Published.title()] });
    let items = if of(state).any(|(_, next)| next == Published) {
        json!([item(DEPRECATE_OLD), item(RESUBSCRIBE)])
    } else {
        json!([])
    };
    json!({ "state": state.title(), "checkItems": items, "availableTransitions": transitions })
}

/// Tells the changes of the state, which the audit log has.
pub(super) async fn history(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(&["api_view", "api_publish", "api_manage"])?;
    let api = find(&admin, &id).await?;
    let query = AuditQuery {
        kind: Some(Kind::Api),
        id: Some(api.record.id),
        limit: MOST_HISTORY,
        ..AuditQuery::default()
    };
    let entries = admin.catalog.store().audit(&query).await?.items;
    let list: Vec<_> = entries.iter().rev().filter_map(item).collect();
    Ok(Json(json!({ "count": list.len(), "list": list })).into_response())
}

fn item(entry: &AuditEntry) -> Option<Value> {
    let change = entry.fields.iter().find(|change| change.field == "lifeCycleStatus")?;
    let word = |value: &Option<Value>| {
        let state = value.as_ref().and_then(Value::as_str).and_then(PublicationState::named);
        state.map(PublicationState::title)
    };
    Some(without_nulls(json!({
        "previousState": word(&change.before),
        "postState": word(&change.after),
        "user": entry.author,
        "updatedTime": rfc3339(entry.at),
    })))
}

/// Returns no task, because none is ever pending.
pub(super) async fn pending_tasks(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(&["api_publish", "api_manage"])?;
    find(&admin, &id).await?;
    let description = "no change of a state waits for anybody";
    let message = "Workflow error";
    Err(Refused::new(StatusCode::PRECONDITION_FAILED, 900_557, message, description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_lead_from_state_to_state() {
        assert_eq!(next(Created, "Publish").unwrap(), Published);
        assert_eq!(next(Blocked, "Re-Publish").unwrap(), Published);
        for (state, action) in
            [(Created, "Retire"), (Retired, "Publish"), (Published, "publish"), (Published, "")]
        {
            assert_eq!(next(state, action).unwrap_err().code, 900_381, "{state:?} {action}");
        }
        assert_eq!(shown(Retired)["availableTransitions"], json!([]));
        assert_eq!(shown(Created)["checkItems"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn the_checklist_is_read() {
        assert!(!deprecates_old("").unwrap());
        assert!(deprecates_old(&format!("{DEPRECATE_OLD}:true,{RESUBSCRIBE}:false")).unwrap());
        for odd in ["x", "x:true", &format!("{DEPRECATE_OLD}:yes")] {
            assert!(deprecates_old(odd).is_err(), "{odd}");
        }
    }
}
