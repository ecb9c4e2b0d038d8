//! Reads an operator's call to revoke. This file decides what a call revokes; the room `revocation`
//! keeps it.
//!
//! A call without an effect, or with another effect than was meant, is refused with a message about
//! the right call. So no operator reads "revoked" while the token still works.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::jwt::Unverified;
use crate::management::fault::{MEMBERS, MOST_YEARS, MessageFault};
use crate::management::scopes;
use crate::model::clock::UnixSeconds;
use crate::revocation::record::{CallId, Mark, Note, Of, RevocationKind, RevocationRecord, What};
use crate::snapshot::Snapshot;

/// The lifetime of a revocation of all tokens of a client or subject, if the call does not tell how
/// long these tokens live.
pub(super) const LONGEST_LIFE: u64 = 30 * 24 * 3600;

/// A time may lie this far in the future, because clocks differ.
pub(super) const CLOCK_SKEW: u64 = 300;

const YEAR: u64 = 365 * 24 * 3600;

/// The year 2001: no token was issued before.
pub(super) const EARLIEST: u64 = 1_000_000_000;

/// Seconds since 1970 stay below this until the year 5138; milliseconds have been above it since
/// 1973.
pub(super) const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// The longest token in a call.
const MOST_TOKEN_BYTES: usize = 64 * 1024;

/// One revocation, before it has an author and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revoking {
    pub mark: Mark,
    pub kind: RevocationKind,
    pub until: UnixSeconds,
    pub of: Of,
}

/// Returns the records of one call, with its author and its time (milliseconds since 1970).
pub(super) fn records(revoked: Vec<Revoking>, by: &str, at: u64) -> Vec<RevocationRecord> {
    let call = CallId::of(revoked.iter().map(|revoked| revoked.mark));
    let record = |Revoking { mark, kind, until, of }| {
        let note = Some(Arc::new(Note { call, by: by.into(), of }));
        RevocationRecord { mark, kind, until, at, note }
    };
    revoked.into_iter().map(record).collect()
}

/// Reads an operator's call: `token`; or `jti`, `consumer_key` or `subject` with `key_manager` or
/// `issuer`; `before` and `expires_at` are in seconds.
pub(super) fn call(
    body: &[u8],
    snapshot: &Snapshot,
    now: UnixSeconds,
) -> Result<Vec<Revoking>, MessageFault> {
    let call = Call::read(body)?;
    let until = call.time("expires_at")?.map(|until| end(until, now)).transpose()?;
    let before = call.time("before")?.map(|before| moment("before", before, now)).transpose()?;
    let scopes = match (call.text("key_manager")?, call.text("issuer")?) {
        (Some(_), Some(_)) => return Err(MessageFault::Several("key_manager", "issuer")),
        (Some(name), None) => scopes::named(snapshot, name)?,
        (None, Some(issuer)) => scopes::issuer(snapshot, issuer)?,
        (None, None) => scopes::all(snapshot),
    };
    let (what, value) = call.what()?;
    if before.is_some() && matches!(what, What::Token | What::Id) {
        return Err(MessageFault::MisplacedBefore);
    }
    let margin = longest_leeway(snapshot);
    if what == What::Token {
        let token = whole_token(value, snapshot, now, margin)?;
        let until = until.max(token.expires).unwrap_or_else(|| later(now, LONGEST_LIFE));
        return Ok(vec![revoked_token(value, later(until, margin))]);
    }
    let until = later(until.unwrap_or_else(|| later(now, LONGEST_LIFE)), margin);
    let holder = RevocationKind::Holder { before: before.unwrap_or(now) };
    let kind = if what == What::Id { RevocationKind::Token } else { holder };
    let revoking = |scope: &String| Revoking {
        mark: mark(what, scope, value),
        kind,
        until,
        of: Of { what, issuer: scope.as_str().into(), value: value.into() },
    };
    Ok(scopes.iter().map(revoking).collect())
}

/// The members of a call, read strictly.
struct Call(Map<String, Value>);

impl Call {
    fn read(body: &[u8]) -> Result<Self, MessageFault> {
        let Ok(Value::Object(mut call)) = serde_json::from_slice(body) else {
            return Err(MessageFault::NotAnObject);
        };
        call.retain(|_, value| !value.is_null());
        match call.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            Some(name) => Err(MessageFault::UnknownMember(name.chars().take(60).collect())),
            None => Ok(Self(call)),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, MessageFault> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let text =
            value.as_str().filter(|text| !text.is_empty()).ok_or(MessageFault::NotText(name))?;
        if text.trim() != text {
            return Err(MessageFault::Untrimmed(name));
        }
        Ok(Some(text))
    }

    fn time(&self, name: &'static str) -> Result<Option<u64>, MessageFault> {
        let time = |value: &Value| value.as_u64().ok_or(MessageFault::NotATime(name));
        self.0.get(name).map(time).transpose()
    }

    /// Returns the one object that the call revokes.
    fn what(&self) -> Result<(What, &str), MessageFault> {
        let mut found: Option<(What, &'static str, &str)> = None;
        for what in [What::Token, What::Id, What::Client, What::Subject] {
            let name = what.name();
            let Some(text) = self.text(name)? else { continue };
            if let Some((_, other, _)) = found {
                return Err(MessageFault::Several(other, name));
            }
            found = Some((what, name, text));
        }
        let (what, name, text) = found.ok_or(MessageFault::NothingRevoked)?;
        for scheme in ["Bearer", "DPoP"] {
            let rest = text.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme));
            if rest.is_some()
                && text.as_bytes().get(scheme.len()).is_some_and(u8::is_ascii_whitespace)
            {
                return Err(MessageFault::Scheme(name, format!("{scheme} ")));
            }
        }
        let blank = if what == What::Token { char::is_whitespace } else { char::is_control };
        if text.contains(blank) {
            return Err(MessageFault::WhiteSpace(name));
        }
        if what != What::Token && Unverified::parse(text.as_bytes(), MOST_TOKEN_BYTES).is_ok() {
            return Err(MessageFault::WholeToken(name));
        }
        Ok((what, text))
    }
}

/// The facts that a token states about itself.
struct WholeToken {
    expires: Option<UnixSeconds>,
}

/// Refuses a token that no key manager would accept.
fn whole_token(
    token: &str,
    snapshot: &Snapshot,
    now: UnixSeconds,
    margin: u64,
) -> Result<WholeToken, MessageFault> {
    // an introspection server may know tokens that look like another server's JWTs
    let asks = snapshot
        .key_managers
        .iter()
        .any(|key_manager| key_manager.definition.introspection.is_some());
    let Ok(parsed) = Unverified::parse(token.as_bytes(), MOST_TOKEN_BYTES) else {
        return if asks { Ok(WholeToken { expires: None }) } else { Err(MessageFault::Opaque) };
    };
    let issuer = parsed.issuer().unwrap_or_default();
    if !asks && !scopes::is_known(snapshot, issuer) {
        return Err(MessageFault::UnknownIssuer(issuer.chars().take(200).collect()));
    }
    let expires = parsed.expires_at();
    match expires.filter(|expires| later(*expires, margin) < now) {
        Some(expires) => Err(MessageFault::Expired { ago: now.0.saturating_sub(expires.0) }),
        None => Ok(WholeToken { expires }),
    }
}

/// Returns the mark of one whole token; only a hash of it is kept.
pub(super) fn revoked_token(token: &str, until: UnixSeconds) -> Revoking {
    let of = Of { what: What::Token, ..Of::default() };
    Revoking { mark: Mark::of_token(token.as_bytes()), kind: RevocationKind::Token, until, of }
}

pub(super) fn mark(what: What, scope: &str, value: &str) -> Mark {
    match what {
        What::Unknown | What::Token => Mark::of_token(value.as_bytes()),
        What::Id => Mark::of_id(scope, value),
        What::Client => Mark::of_client(scope, value),
        What::Subject => Mark::of_subject(scope, value),
    }
}

/// Checks a time before which tokens are revoked.
pub(super) fn moment(
    name: &'static str,
    seconds: u64,
    now: UnixSeconds,
) -> Result<UnixSeconds, MessageFault> {
    match seconds {
        MILLISECONDS_FROM.. => Err(MessageFault::Milliseconds { name, meant: seconds / 1000 }),
        _ if seconds > now.0.saturating_add(CLOCK_SKEW) => {
            Err(MessageFault::Future { name, ahead: seconds.saturating_sub(now.0) })
        }
        ..EARLIEST => Err(MessageFault::Ancient { name }),
        _ => Ok(UnixSeconds(seconds)),
    }
}

/// Checks the time until which a revocation lasts.
fn end(seconds: u64, now: UnixSeconds) -> Result<UnixSeconds, MessageFault> {
    let name = "expires_at";
    match seconds {
        MILLISECONDS_FROM.. => Err(MessageFault::Milliseconds { name, meant: seconds / 1000 }),
        _ if seconds > later(now, MOST_YEARS * YEAR).0 => Err(MessageFault::TooFar { name }),
        _ if seconds < now.0 => Err(MessageFault::Past { ago: now.0.saturating_sub(seconds) }),
        _ => Ok(UnixSeconds(seconds)),
    }
}

pub(super) fn later(than: UnixSeconds, seconds: u64) -> UnixSeconds {
    UnixSeconds(than.0.saturating_add(seconds))
}

/// Returns the expiry that a token states.
pub(super) fn expiry(token: &str) -> Option<UnixSeconds> {
    Unverified::parse(token.as_bytes(), MOST_TOKEN_BYTES).ok()?.expires_at()
}

pub(super) fn is_whole(token: &str) -> bool {
    Unverified::parse(token.as_bytes(), MOST_TOKEN_BYTES).is_ok()
}

/// Returns the time for which expired tokens are still accepted.
pub(super) fn longest_leeway(snapshot: &Snapshot) -> u64 {
    let templates = snapshot.key_managers.templates.iter();
    let key_managers = snapshot.key_managers.iter().map(|key_manager| &key_manager.definition);
    let all = key_managers.chain(templates.map(|template| template.definition.outline()));
    let leeways = all.map(|definition| definition.rules.leeway.as_secs());
    leeways.max().unwrap_or_default().saturating_add(1)
}
