//! Answers `POST /reload`: reads the files again and reports the result.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use http::StatusCode;

use crate::management::access::Actor;
use crate::management::refreshing;
use crate::management::reload_request::{ReloadOutcome, ReloadRequest, Removals};
use crate::management::reply::{ManagementReply, json, problem};
use crate::management::state::ManagementState;
use crate::telemetry::ManagementCall;

pub(super) async fn reload(state: &ManagementState, query: &str) -> ManagementReply {
    let refresh_keys = match asked(query) {
        Ok(wanted) => wanted,
        Err(why) => return problem(StatusCode::BAD_REQUEST, &why),
    };
    let (request, outcome) = ReloadRequest::new(removals(query));
    if state.reload.send(request).await.is_err() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping");
    }
    match outcome.await {
        Ok(ReloadOutcome::Applied { generation }) => {
            let snapshot = state.snapshots.load();
            let refreshed = if refresh_keys {
                Some(refreshing::refresh_all(refreshing::fetched(&snapshot)).await)
            } else {
                None
            };
            let answer = ReloadAnswer {
                status: "reloaded",
                generation,
                quarantined: &snapshot.settings.quarantined,
                key_managers: refreshed.map(|all| serde_json::json!(all)),
            };
            json(StatusCode::OK, &answer)
        }
        Ok(ReloadOutcome::Planned { plan }) => json(StatusCode::OK, &plan),
        Ok(ReloadOutcome::Refused { report }) => refused(&report),
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping"),
    }
}

/// The answer to a reload that worked.
#[derive(serde::Serialize)]
struct ReloadAnswer<'r> {
    status: &'static str,
    generation: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    quarantined: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    key_managers: Option<serde_json::Value>,
}

fn refused(report: &str) -> ManagementReply {
    let answer = serde_json::json!({
        "status": "refused", "detail": "nothing changed", "report": report
    });
    json(StatusCode::UNPROCESSABLE_ENTITY, &answer)
}

/// Answers a plan on the control socket: the changes that a reload of a file would make.
pub(super) async fn plan(state: &ManagementState, body: &[u8]) -> ManagementReply {
    let Ok(PlannedFile { file }) = serde_json::from_slice(body) else {
        let detail = "the body is not {\"file\": \"PATH\"}";
        return problem(StatusCode::BAD_REQUEST, detail);
    };
    let (request, outcome) = ReloadRequest::plan(file);
    if state.reload.send(request).await.is_err() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping");
    }
    match outcome.await {
        Ok(ReloadOutcome::Planned { plan }) => json(StatusCode::OK, &plan),
        Ok(ReloadOutcome::Refused { report }) => refused(&report),
        Ok(ReloadOutcome::Applied { .. }) | Err(_) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping")
        }
    }
}

#[derive(serde::Deserialize)]
struct PlannedFile {
    file: PathBuf,
}

/// Answers a reload on the control socket.
pub(super) async fn reload_from_here(state: &ManagementState, query: &str) -> ManagementReply {
    let answer = reload(state, query).await;
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    state.note(ManagementCall::Reload, &Actor::of_control_socket(), here, answer.status());
    answer
}

/// Reads `confirm=removals` from the query of a reload.
fn removals(query: &str) -> Removals {
    let confirmed = form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "confirm" && value == "removals");
    if confirmed { Removals::Confirmed } else { Removals::Guarded }
}

/// Returns true for `?refresh_keys=true`, and an error for a bad value.
fn asked(query: &str) -> Result<bool, String> {
    let mut wanted = false;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &*value) {
            ("refresh_keys", "true") => wanted = true,
            ("refresh_keys", "false") => wanted = false,
            ("refresh_keys", _) => return Err("`refresh_keys` must be true or false".to_owned()),
            _ => {}
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reload_is_asked_for() {
        assert_eq!(asked(""), Ok(false));
        assert_eq!(asked("refresh_keys=true"), Ok(true));
        assert_eq!(asked("confirm=removals&refresh_keys=false"), Ok(false));
        assert!(asked("refresh_keys").is_err());
        assert!(asked("refresh_keys=yes").is_err());
    }
}
