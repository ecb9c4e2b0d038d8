//! Answers `/revocations`: adds, lists and lifts revocations.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::management::reply::{ManagementReply, json as reply, problem};
use crate::management::routes::RevocationTeller;
use crate::management::state::ManagementState;
use crate::management::{notices, revoking};
use crate::revocation::ListedRevocation;
use crate::revocation::RevocationError;
use crate::revocation::record::{CallId, Mark, RevocationKind, RevocationRecord};

pub(super) async fn revoke(
    state: &ManagementState,
    headers: &HeaderMap,
    body: &[u8],
    teller: RevocationTeller,
    user: &str,
) -> ManagementReply {
    let (snapshot, now) = (state.snapshots.load(), state.clock.now());
    let sender = headers.get("x-wso2-key-manager").and_then(|sender| sender.to_str().ok());
    let revoked = match teller {
        RevocationTeller::IdentityServer => notices::notice(body, sender, &snapshot, now),
        RevocationTeller::Operator => revoking::call(body, &snapshot, now),
    };
    let revoked = match revoked {
        Ok(revoked) if revoked.is_empty() => {
            let status = "the token has expired already; nothing is revoked";
            return reply(StatusCode::OK, &json!({ "status": status, "marks": 0 }));
        }
        Ok(revoked) => revoked,
        Err(fault) => return problem(StatusCode::BAD_REQUEST, &fault.to_string()),
    };
    let by = match teller {
        RevocationTeller::Operator => user.to_owned(),
        RevocationTeller::IdentityServer => format!("{user}, by a notice{}", of_sender(sender)),
    };
    let records = revoking::records(revoked, &by, state.clock.milliseconds());
    let revocations = Arc::clone(&state.revocations);
    let kept = tokio::task::spawn_blocking(move || {
        let kept = revocations.revoke(&records);
        let marks: Vec<_> = records.iter().map(|record| record.mark).collect();
        kept.map(|()| (revocations.calls(&marks), marks.len()))
    });
    match kept.await {
        Ok(Ok((ids, count))) => {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            let told =
                json!({ "status": "revoked", "marks": count, "id": ids.first(), "ids": ids });
            reply(StatusCode::OK, &told)
        }
        Ok(Err(error)) => failed(&error),
        Err(_) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the revocation failed; see the gateway's log",
        ),
    }
}

/// Answers `GET /revocations`, the newest first.
pub(super) async fn list(state: &ManagementState, query: &str) -> ManagementReply {
    let (limit, offset) = match page(query) {
        Ok(page) => page,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, &detail),
    };
    let (revocations, now) = (Arc::clone(&state.revocations), state.clock.now());
    let listed = tokio::task::spawn_blocking(move || revocations.list(offset, limit, now));
    let Ok((listed, total)) = listed.await else {
        return problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the revocations cannot be listed; see the gateway's log",
        );
    };
    let facts = state.revocations.facts();
    let channel = facts.channel.map_or("none", |channel| if channel.up { "up" } else { "down" });
    let journal = if facts.journal_damages > 0 { "damaged" } else { "good" };
    let revocations: Vec<_> = listed.iter().map(shown).collect();
    reply(
        StatusCode::OK,
        &json!({
            "count": state.revocations.count(), "channel": channel, "journal": journal,
            "total": total, "offset": offset, "limit": limit, "revocations": revocations,
        }),
    )
}

/// Answers `DELETE /revocations/ID`.
pub(super) async fn take_back(state: &ManagementState, id: &str, user: String) -> ManagementReply {
    let unknown =
        || problem(StatusCode::NOT_FOUND, "no revocation has this id; GET /revocations lists them");
    let Some(call) = CallId::parse(id) else { return unknown() };
    let (revocations, now) = (Arc::clone(&state.revocations), state.clock.milliseconds());
    let taken = tokio::task::spawn_blocking(move || revocations.take_back(call, &user, now)).await;
    match taken {
        Ok(Ok(0)) => unknown(),
        Ok(Ok(count)) => {
            reply(StatusCode::OK, &json!({ "status": "taken back", "id": id, "marks": count }))
        }
        Ok(Err(RevocationError::Journal(_))) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "taken back until the next restart only: the state folder cannot be written",
        ),
        Ok(Err(error)) => failed(&error),
        Err(_) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the revocation cannot be taken back; see the gateway's log",
        ),
    }
}

fn failed(error: &RevocationError) -> ManagementReply {
    match error {
        RevocationError::Full => problem(
            StatusCode::INSUFFICIENT_STORAGE,
            "not revoked: too many revocations are kept already",
        ),
        RevocationError::Journal(_) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "revoked until the next restart only: the state folder cannot be written",
        ),
        RevocationError::HandedOver => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "not revoked: another process has taken over; send the call again",
        ),
    }
}

/// Returns the revocations of one call. Of a token, only its hash is known.
fn shown(listed: &ListedRevocation) -> Value {
    let note = listed.records.iter().find_map(|record| record.note.as_deref());
    let until = listed.records.iter().map(|record| record.until).max().unwrap_or_default();
    json!({
        "id": listed.call.to_string(),
        "revoked_by": note.map(|note| &*note.by),
        "revoked_at": (listed.at > 0).then_some(listed.at / 1000),
        "expires_at": until.0,
        "of": listed.records.iter().map(shown_mark).collect::<Vec<_>>(),
    })
}

fn shown_mark(record: &RevocationRecord) -> Value {
    let before = match record.kind {
        RevocationKind::Holder { before } => Some(before.0),
        RevocationKind::Token | RevocationKind::Lifted => None,
    };
    let of = record.note.as_ref().map(|note| &note.of);
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut shown = json!({ "hash": hex(&record.mark) });
    let Some(members) = shown.as_object_mut() else { return shown };
    members.insert("kind".to_owned(), of.map_or("unknown", |of| of.what.name()).into());
    let known = [
        ("value", of.and_then(|of| text(&of.value)).map(Value::from)),
        ("issuer", of.and_then(|of| text(&of.issuer)).map(Value::from)),
        ("before", before.map(Value::from)),
    ];
    members.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    shown
}

fn hex(mark: &Mark) -> String {
    format!("{:032x}", u128::from_be_bytes(mark.0))
}

/// Returns the notice's sender for operators to read. The sender chooses this header, so only plain
/// characters are kept.
fn of_sender(sender: Option<&str>) -> String {
    let visible =
        |sender: &str| sender.chars().filter(char::is_ascii_graphic).take(60).collect::<String>();
    sender.map(|sender| format!(" of {}", visible(sender))).unwrap_or_default()
}

fn page(query: &str) -> Result<(usize, usize), String> {
    let (mut limit, mut offset) = (USUAL_PAGE, 0);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let number =
            || value.parse::<usize>().map_err(|_| format!("`{name}` is not a number: {value:?}"));
        match &*name {
            "limit" => limit = number()?,
            "offset" => offset = number()?,
            _ => return Err(format!("unknown parameter {name:?}; known are `limit` and `offset`")),
        }
    }
    if (1..=LARGEST_PAGE).contains(&limit) {
        Ok((limit, offset))
    } else {
        Err(format!("`limit` must be from 1 to {LARGEST_PAGE}"))
    }
}

/// The number of entries in one reply, if the call does not give one.
const USUAL_PAGE: usize = 100;

const LARGEST_PAGE: usize = 1000;
