//! Revocations as they are told: by WSO2 Identity Server's notifier, and by operators.
//!
//! Decides what a message is about; `revocation` keeps it. A message that cannot be understood is refused, never ignored.

use serde_json::Value;

use crate::jwt::Unverified;
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::KeyManager;
use crate::revocation::record::{Kind, Mark, Record};
use crate::snapshot::Snapshot;

/// How long a revocation of somebody's tokens counts when nothing says how long such tokens live.
const LONGEST_LIFE: u64 = 30 * 24 * 3600;

/// Tokens in a message are read up to this size.
const MOST_TOKEN_BYTES: usize = 64 * 1024;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    #[error("the message is not a JSON object")]
    NotAnObject,
    #[error("the message names no token, jti, consumer key or subject")]
    NothingRevoked,
    #[error("no key manager is called {0:?}, or of that type")]
    UnknownKeyManager(String),
    #[error("`{0}` is not a number of seconds since 1970")]
    NotATime(&'static str),
}

/// WSO2's event, whose times are milliseconds. `sender` is `X-WSO2-KEY-MANAGER`: a key manager's name or type.
pub fn notice(body: &[u8], sender: Option<&str>, snapshot: &Snapshot, now: UnixSeconds) -> Result<Vec<Record>, MessageFault> {
    let whole: Value = serde_json::from_slice(body).map_err(|_| MessageFault::NotAnObject)?;
    // some versions wrap the event
    let event =
        ["event", "payloadData"].iter().fold(&whole, |value, name| value.get(name).filter(|inner| inner.is_object()).unwrap_or(value));
    if !event.is_object() {
        return Err(MessageFault::NotAnObject);
    }
    let names = match sender {
        Some(sender) => key_managers(snapshot, sender)?,
        None => all_key_managers(snapshot),
    };
    let text = |names: &[&str]| names.iter().find_map(|name| event.get(name).and_then(Value::as_str)).filter(|text| !text.is_empty());
    let seconds = |names: &[&str]| names.iter().find_map(|name| event.get(name).and_then(milliseconds)).map(|time| time / 1000);
    let until = seconds(&["expiryTime", "expiry_time"]).map(UnixSeconds);
    let before = UnixSeconds(seconds(&["revocationTime", "revocation_time"]).unwrap_or(now.0));
    if let Some(token) = text(&["accessToken", "revokedToken", "token", "jti"]) {
        return Ok(one_token(token, until, &names, now));
    }
    let holder = |mark: &dyn Fn(&str) -> Mark| {
        let until = until.unwrap_or(UnixSeconds(now.0.saturating_add(LONGEST_LIFE)));
        names.iter().map(|name| Record { mark: mark(name), kind: Kind::Holder { before }, until }).collect::<Vec<_>>()
    };
    match (text(&["entityId", "entity_id", "subject"]), text(&["consumerKey", "consumer_key"])) {
        (Some(subject), _) => Ok(holder(&|name| Mark::of_subject(name, subject))),
        (None, Some(consumer_key)) => Ok(holder(&|name| Mark::of_client(name, consumer_key))),
        (None, None) => Err(MessageFault::NothingRevoked),
    }
}

/// An operator's call: `token`, or `jti`, `consumer_key` or `subject` with `key_manager`; `before` and `expires_at` in
/// seconds.
pub fn call(body: &[u8], snapshot: &Snapshot, now: UnixSeconds) -> Result<Vec<Record>, MessageFault> {
    let call: Value = serde_json::from_slice(body).map_err(|_| MessageFault::NotAnObject)?;
    if !call.is_object() {
        return Err(MessageFault::NotAnObject);
    }
    let text = |name: &str| call.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let time = |name: &'static str| match call.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().map(|seconds| Some(UnixSeconds(seconds))).ok_or(MessageFault::NotATime(name)),
    };
    let (until, before) = (time("expires_at")?, time("before")?.unwrap_or(now));
    let names = match text("key_manager") {
        Some(name) => key_managers(snapshot, name)?,
        None => all_key_managers(snapshot),
    };
    if let Some(token) = text("token") {
        return Ok(one_token(token, until, &[], now));
    }
    let until_or = |default| until.unwrap_or(UnixSeconds(now.0.saturating_add(default)));
    let each = |kind, mark: &dyn Fn(&str) -> Mark| {
        names.iter().map(|name| Record { mark: mark(name), kind, until: until_or(LONGEST_LIFE) }).collect::<Vec<_>>()
    };
    if let Some(id) = text("jti") {
        Ok(each(Kind::Token, &|name| Mark::of_id(name, id)))
    } else if let Some(consumer_key) = text("consumer_key") {
        Ok(each(Kind::Holder { before }, &|name| Mark::of_client(name, consumer_key)))
    } else if let Some(subject) = text("subject") {
        Ok(each(Kind::Holder { before }, &|name| Mark::of_subject(name, subject)))
    } else {
        Err(MessageFault::NothingRevoked)
    }
}

/// WSO2 sends a JWT's `jti`, or a whole opaque token, in the same member: both are revoked.
fn one_token(token: &str, until: Option<UnixSeconds>, key_managers: &[String], now: UnixSeconds) -> Vec<Record> {
    let parsed = Unverified::parse(token.as_bytes(), MOST_TOKEN_BYTES).ok();
    let expires = until.or_else(|| parsed.as_ref().and_then(Unverified::expires_at));
    let until = expires.unwrap_or(UnixSeconds(now.0.saturating_add(LONGEST_LIFE)));
    let kind = Kind::Token;
    let ids = key_managers.iter().filter(|_| parsed.is_none()).map(|name| Record { mark: Mark::of_id(name, token), kind, until });
    std::iter::once(Record { mark: Mark::of_token(token.as_bytes()), kind, until }).chain(ids).collect()
}

fn milliseconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn key_managers(snapshot: &Snapshot, sender: &str) -> Result<Vec<String>, MessageFault> {
    let named = |definition: &KeyManager| definition.name.as_str().eq_ignore_ascii_case(sender);
    // a template is all of its organisations
    let family = |definition: &KeyManager| definition.family.and_then(|index| snapshot.key_manager(index));
    let is = |definition: &KeyManager| {
        let of_it = family(definition).is_some_and(|template| named(&template.definition));
        named(definition) || of_it || definition.kind.name().eq_ignore_ascii_case(sender)
    };
    let named: Vec<_> =
        snapshot.key_managers.iter().map(|key_manager| &key_manager.definition).filter(|definition| is(definition)).collect();
    if named.is_empty() {
        return Err(MessageFault::UnknownKeyManager(sender.chars().take(100).collect()));
    }
    Ok(named.into_iter().map(|definition| definition.name.to_string()).collect())
}

fn all_key_managers(snapshot: &Snapshot) -> Vec<String> {
    snapshot.key_managers.iter().map(|key_manager| key_manager.definition.name.to_string()).collect()
}
