//! Reads the revocation notices of WSO2 Identity Server.
//!
//! A notice that the gateway does not understand is refused, never ignored. A notice about an
//! expired token revokes nothing, and the reply says so.

use serde_json::Value;

use crate::management::fault::MessageFault;
use crate::management::revoking::{
    self, EARLIEST, LONGEST_LIFE, MILLISECONDS_FROM, Revoking, later,
};
use crate::management::scopes;
use crate::model::clock::UnixSeconds;
use crate::revocation::record::{Mark, Of, RevocationKind, What};
use crate::snapshot::Snapshot;

/// Members that hold the time before which tokens are revoked, and members that hold a token's end.
const MOMENTS: [&str; 3] = ["revocationTime", "revocation_time", "timeStamp"];
const ENDS: [&str; 2] = ["expiryTime", "expiry_time"];

/// Reads WSO2's event, whose times are milliseconds. `sender` is the header `X-WSO2-KEY-MANAGER`:
/// the name or the type of a key manager. The result is empty if all of its tokens have expired.
pub(super) fn notice(
    body: &[u8],
    sender: Option<&str>,
    snapshot: &Snapshot,
    now: UnixSeconds,
) -> Result<Vec<Revoking>, MessageFault> {
    let whole: Value = serde_json::from_slice(body).map_err(|_| MessageFault::NotAnObject)?;
    // WSO2 API Manager wraps the event when it passes it on
    let event = ["event", "payloadData"].iter().fold(&whole, |value, name| {
        value.get(name).filter(|inner| inner.is_object()).unwrap_or(value)
    });
    if !event.is_object() {
        return Err(MessageFault::NotAnObject);
    }
    let scopes = match sender {
        Some(sender) => scopes::senders(snapshot, sender)?,
        None => scopes::all(snapshot),
    };
    let told =
        ToldEvent { event, scopes: &scopes, now, margin: revoking::longest_leeway(snapshot) };
    let mut revoked = told.token(event, now)?;
    if let Some(Value::Array(events)) = event.get("tokenRevocationEventList") {
        // the ends in a list are too early: the server adds seconds to milliseconds
        for event in events {
            revoked.extend(told.token(event, later(now, LONGEST_LIFE))?);
        }
        // the list may be incomplete, so the client loses all of its tokens
        revoked.extend(told.holders(&["consumerKey"], What::Client)?);
    } else if revoked.is_empty() {
        let subjects = ["entityId", "entity_id", "userUUID", "subject"];
        revoked.extend(told.holders(&subjects, What::Subject)?);
        if told.text(&["entityType"]).is_some_and(|kind| kind.eq_ignore_ascii_case("CLIENT_ID")) {
            revoked.extend(told.holders(&["entityId"], What::Client)?);
        }
        if revoked.is_empty() {
            revoked.extend(told.holders(&["consumerKey", "consumer_key"], What::Client)?);
        }
    }
    if revoked.is_empty() {
        return Err(MessageFault::NothingRevoked);
    }
    revoked.retain(|revoked| revoked.until >= now);
    Ok(revoked)
}

/// One event, and the issuers that it concerns.
struct ToldEvent<'e> {
    event: &'e Value,
    scopes: &'e [String],
    now: UnixSeconds,
    margin: u64,
}

impl<'e> ToldEvent<'e> {
    /// Returns the marks of one token: by its `jti`, by its signature if it has no `jti`, or by its
    /// hash if it is opaque. WSO2 sends all of these in the same member, so a value that is not a
    /// JWT is revoked as each of them.
    fn token(&self, event: &Value, at_least: UnixSeconds) -> Result<Vec<Revoking>, MessageFault> {
        let Some(token) = text(event, &["accessToken", "revokedToken", "token", "jti"]) else {
            return Ok(Vec::new());
        };
        let token = token.trim();
        let told = seconds(event, &ENDS)?.or_else(|| revoking::expiry(token));
        // an end in the past stays there: then there is nothing to revoke
        let end = match told {
            Some(end) if at_least > self.now => end.max(at_least),
            Some(end) => end,
            None => later(self.now, LONGEST_LIFE),
        };
        let until = later(end, self.margin);
        let id = |scope: &String| Revoking {
            mark: Mark::of_id(scope, token),
            kind: RevocationKind::Token,
            until,
            // the value may be a whole token, which must never be shown
            of: Of { what: What::Id, issuer: scope.as_str().into(), value: "".into() },
        };
        let ids = self.scopes.iter().filter(|_| !revoking::is_whole(token)).map(id);
        Ok(std::iter::once(revoking::revoked_token(token, until)).chain(ids).collect())
    }

    fn text(&self, names: &[&str]) -> Option<&'e str> {
        text(self.event, names)
    }

    /// Returns the marks of all tokens that a client or subject got before a time.
    fn holders(&self, names: &[&str], what: What) -> Result<Vec<Revoking>, MessageFault> {
        let Some(holder) = self.text(names) else { return Ok(Vec::new()) };
        let before = match seconds(self.event, &MOMENTS)? {
            Some(before) => revoking::moment(MOMENTS[0], before.0, self.now)?,
            None => self.now,
        };
        let kind = RevocationKind::Holder { before };
        let end = seconds(self.event, &ENDS)?.unwrap_or_else(|| later(self.now, LONGEST_LIFE));
        let until = later(end, self.margin);
        let revoking = |scope: &String| Revoking {
            mark: revoking::mark(what, scope, holder),
            kind,
            until,
            of: Of { what, issuer: scope.as_str().into(), value: holder.into() },
        };
        Ok(self.scopes.iter().map(revoking).collect())
    }
}

fn text<'v>(event: &'v Value, names: &[&str]) -> Option<&'v str> {
    names
        .iter()
        .find_map(|name| event.get(name).and_then(Value::as_str))
        .filter(|text| !text.is_empty())
}

/// Reads a time in milliseconds. The server writes 0 for a time that was never set.
fn seconds(event: &Value, names: &[&'static str]) -> Result<Option<UnixSeconds>, MessageFault> {
    let found = names.iter().find_map(|name| {
        let time = event.get(name).and_then(milliseconds).filter(|time| *time > 0)?;
        Some((*name, time))
    });
    match found {
        None => Ok(None),
        // a recent time, if it were seconds
        Some((name, time @ EARLIEST..MILLISECONDS_FROM)) => {
            Err(MessageFault::Seconds { name, meant: time.saturating_mul(1000) })
        }
        Some((_, time)) => Ok(Some(UnixSeconds(time / 1000))),
    }
}

fn milliseconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
