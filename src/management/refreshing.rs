//! Answers `POST /key-managers/NAME/refresh` and `POST /reload?refresh_keys=true`: fetches key sets
//! now.
//!
//! A call waits for its fetch and tells the result. Concurrent calls for one key manager share one
//! fetch, so no caller can flood an authorization server.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::jwks::Refetched;
use crate::key_managers::CompiledKeyManager;
use crate::management::reply::{ManagementReply, json, problem};
use crate::management::state::ManagementState;
use crate::snapshot::Snapshot;

/// Fetches the keys of one key manager, or of all organizations of a template.
pub(super) async fn refresh(state: &ManagementState, name: &str) -> ManagementReply {
    let Some(meant) = meant(&state.snapshots.load(), name) else {
        return problem(StatusCode::NOT_FOUND, "no key manager has this name");
    };
    if meant.is_empty() {
        let why = "none of the template's organizations is open, so there are no keys to fetch";
        return problem(StatusCode::CONFLICT, why);
    }
    let mut refreshed = refresh_all(meant).await;
    match (refreshed.pop(), refreshed.is_empty()) {
        (Some(only), true) => json(only.status(), &only),
        (last, _) => {
            refreshed.extend(last);
            json(StatusCode::OK, &serde_json::json!({ "key_managers": refreshed }))
        }
    }
}

/// Returns all key managers whose keys are fetched.
pub(super) fn fetched(snapshot: &Snapshot) -> Vec<Arc<CompiledKeyManager>> {
    let live = snapshot.organizations().flat_map(|(_, organizations)| organizations.live());
    let all = snapshot.key_managers.iter().map(Arc::clone).chain(live);
    all.filter(|key_manager| key_manager.keys.is_fetched()).collect()
}

/// Refreshes the key managers, some at a time. The results keep their order.
pub(super) async fn refresh_all(key_managers: Vec<Arc<CompiledKeyManager>>) -> Vec<Refreshed> {
    let places = Arc::new(Semaphore::new(MOST_AT_A_TIME));
    let mut tasks = JoinSet::new();
    for (position, key_manager) in key_managers.into_iter().enumerate() {
        let places = Arc::clone(&places);
        tasks.spawn(async move {
            let _place = places.acquire().await;
            let came = key_manager.keys.refresh().await;
            (position, refreshed(&key_manager, came))
        });
    }
    let mut done: Vec<_> = tasks.join_all().await;
    done.sort_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, refreshed)| refreshed).collect()
}

/// The result of refreshing one key manager.
#[derive(Debug, Serialize)]
pub(super) struct Refreshed {
    key_manager: String,
    /// One of "changed", "unchanged", "failed", "timed_out" and "not_fetched".
    status: &'static str,
    /// The number of usable keys after the fetch, whatever its result.
    keys: usize,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Refreshed {
    fn status(&self) -> StatusCode {
        match self.status {
            "failed" => StatusCode::BAD_GATEWAY,
            "timed_out" => StatusCode::GATEWAY_TIMEOUT,
            "not_fetched" => StatusCode::CONFLICT,
            _ => StatusCode::OK,
        }
    }
}

/// Returns the key manager with this name, or all organizations of the template with this name.
fn meant(snapshot: &Snapshot, name: &str) -> Option<Vec<Arc<CompiledKeyManager>>> {
    let live = snapshot.organizations().flat_map(|(_, organizations)| organizations.live());
    let all = snapshot.key_managers.iter().map(Arc::clone).chain(live);
    let mut templates = snapshot.key_managers.templates.iter();
    let template = templates.find(|template| template.definition.name().as_str() == name);
    let Some(template) = template else {
        let mut all = all;
        let own = all.find(|key_manager| key_manager.definition.name.as_str() == name);
        return own.map(|own| vec![own]);
    };
    let slot = Some(template.definition.slot());
    Some(all.filter(|key_manager| key_manager.definition.template() == slot).collect())
}

fn refreshed(key_manager: &CompiledKeyManager, came: Refetched) -> Refreshed {
    let status = key_manager.keys.status();
    let (word, detail) = match came {
        Refetched::Changed => ("changed", None),
        Refetched::Unchanged => ("unchanged", None),
        Refetched::NotAllowed => (
            "not_fetched",
            Some(
                "its keys come from a file, or it is disabled; a reload reads files again"
                    .to_owned(),
            ),
        ),
        Refetched::TimedOut | Refetched::TooLate | Refetched::Crowded => (
            "timed_out",
            Some("its server did not answer in time; the last good keys stay in use".to_owned()),
        ),
        Refetched::Failed => ("failed", status.last_failure.clone()),
    };
    Refreshed {
        key_manager: key_manager.definition.name.to_string(),
        status: word,
        keys: status.key_count,
        generation: status.generation,
        age_seconds: status.age.map(|age| age.as_secs()),
        detail,
    }
}

/// The most servers that are asked at a time: a template may have a thousand organizations.
const MOST_AT_A_TIME: usize = 16;
