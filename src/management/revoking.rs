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
pub fn notice(
    body: &[u8],
    sender: Option<&str>,
    snapshot: &Snapshot,
    now: UnixSeconds,
) -> Result<Vec<Record>, MessageFault> {
    let whole: Value = serde_json::from_slice(body).map_err(|_| MessageFault::NotAnObject)?;
    // what APIs in front of a gateway pass on is wrapped
    let event = ["event", "payloadData"].iter().fold(&whole, |value, name| {
        value.get(name).filter(|inner| inner.is_object()).unwrap_or(value)
    });
    if !event.is_object() {
        return Err(MessageFault::NotAnObject);
    }
    let names = match sender {
        Some(sender) => senders(snapshot, sender)?,
        None => all_key_managers(snapshot),
    };
    let told = Told { event, names: &names, now, margin: longest_leeway(snapshot) };
    let mut records = told.token(event);
    if let Some(Value::Array(events)) = event.get("tokenRevocationEventList") {
        // the ends in a list are too early: the server adds seconds to milliseconds
        let far = now.0.saturating_add(LONGEST_LIFE);
        let listed = events.iter().flat_map(|event| told.token(event));
        records.extend(
            listed.map(|record| Record { until: UnixSeconds(record.until.0.max(far)), ..record }),
        );
        // a list is all that a client has
        records.extend(told.holders(&["consumerKey"], Mark::of_client));
    } else if records.is_empty() {
        records.extend(
            told.holders(&["entityId", "entity_id", "userUUID", "subject"], Mark::of_subject),
        );
        if told.text(&["entityType"]).is_some_and(|kind| kind.eq_ignore_ascii_case("CLIENT_ID")) {
            records.extend(told.holders(&["entityId"], Mark::of_client));
        }
        if records.is_empty() {
            records.extend(told.holders(&["consumerKey", "consumer_key"], Mark::of_client));
        }
    }
    if records.is_empty() { Err(MessageFault::NothingRevoked) } else { Ok(records) }
}

/// One event, and whose it is.
struct Told<'e> {
    event: &'e Value,
    names: &'e [String],
    now: UnixSeconds,
    margin: u64,
}

impl<'e> Told<'e> {
    /// A token by itself: its `jti`, or its signature where it has none, or all of it where it is opaque.
    fn token(&self, event: &Value) -> Vec<Record> {
        let Some(token) = text(event, &["accessToken", "revokedToken", "token", "jti"]) else {
            return Vec::new();
        };
        let until = seconds(event, &["expiryTime", "expiry_time"]).map(UnixSeconds);
        one_token(token, until, self.names, self.now, self.margin)
    }

    fn text(&self, names: &[&str]) -> Option<&'e str> {
        text(self.event, names)
    }

    /// All that somebody got before a moment.
    fn holders(&self, names: &[&str], mark: impl Fn(&str, &str) -> Mark) -> Vec<Record> {
        let Some(holder) = self.text(names) else { return Vec::new() };
        let before = seconds(self.event, &["revocationTime", "revocation_time", "timeStamp"])
            .unwrap_or(self.now.0);
        let kind = Kind::Holder { before: UnixSeconds(before) };
        let until = seconds(self.event, &["expiryTime", "expiry_time"])
            .unwrap_or_else(|| self.now.0.saturating_add(LONGEST_LIFE));
        let until = UnixSeconds(until.saturating_add(self.margin));
        self.names.iter().map(|name| Record { mark: mark(name, holder), kind, until }).collect()
    }
}

fn text<'v>(event: &'v Value, names: &[&str]) -> Option<&'v str> {
    names
        .iter()
        .find_map(|name| event.get(name).and_then(Value::as_str))
        .filter(|text| !text.is_empty())
}

/// A number that was never set is 0 in the server's language.
fn seconds(event: &Value, names: &[&str]) -> Option<u64> {
    names
        .iter()
        .find_map(|name| event.get(name).and_then(milliseconds).filter(|time| *time > 0))
        .map(|time| time / 1000)
}

/// An operator's call: `token`, or `jti`, `consumer_key` or `subject` with `key_manager`; `before` and `expires_at` in
/// seconds.
pub fn call(
    body: &[u8],
    snapshot: &Snapshot,
    now: UnixSeconds,
) -> Result<Vec<Record>, MessageFault> {
    let call: Value = serde_json::from_slice(body).map_err(|_| MessageFault::NotAnObject)?;
    if !call.is_object() {
        return Err(MessageFault::NotAnObject);
    }
    let text = |name: &str| call.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let time = |name: &'static str| match call.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .map(|seconds| Some(UnixSeconds(seconds)))
            .ok_or(MessageFault::NotATime(name)),
    };
    let (until, before) = (time("expires_at")?, time("before")?.unwrap_or(now));
    let names = match text("key_manager") {
        Some(name) => named(snapshot, name)?,
        None => all_key_managers(snapshot),
    };
    if let Some(token) = text("token") {
        return Ok(one_token(token, until, &[], now, longest_leeway(snapshot)));
    }
    let margin = longest_leeway(snapshot);
    let until_or = |default| {
        UnixSeconds(
            until.map_or(now.0.saturating_add(default), |until| until.0).saturating_add(margin),
        )
    };
    let each = |kind, mark: &dyn Fn(&str) -> Mark| {
        names
            .iter()
            .map(|name| Record { mark: mark(name), kind, until: until_or(LONGEST_LIFE) })
            .collect::<Vec<_>>()
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
fn one_token(
    token: &str,
    until: Option<UnixSeconds>,
    key_managers: &[String],
    now: UnixSeconds,
    margin: u64,
) -> Vec<Record> {
    let parsed = Unverified::parse(token.as_bytes(), MOST_TOKEN_BYTES).ok();
    let expires = until.or_else(|| parsed.as_ref().and_then(Unverified::expires_at));
    // a token is taken for as long as its end and the leeway say
    let until = UnixSeconds(
        expires
            .map_or(now.0.saturating_add(LONGEST_LIFE), |expires| expires.0)
            .saturating_add(margin),
    );
    let kind = Kind::Token;
    let ids = key_managers.iter().filter(|_| parsed.is_none()).map(|name| Record {
        mark: Mark::of_id(name, token),
        kind,
        until,
    });
    std::iter::once(Record { mark: Mark::of_token(token.as_bytes()), kind, until })
        .chain(ids)
        .collect()
}

fn milliseconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Those that `X-WSO2-KEY-MANAGER` means: a name, or a type as it is spelled in WSO2's manuals. `WSO2-IS` is what Identity
/// Server 7 is told to say too, and `default` is API Manager's own, which can be any.
fn senders(snapshot: &Snapshot, sender: &str) -> Result<Vec<String>, MessageFault> {
    let found = named(snapshot, sender);
    let plain: String = sender
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    match plain.as_str() {
        "wso2is" => {
            let kinds = ["WSO2-IS", "WSO2-IS-7"]
                .into_iter()
                .filter_map(|kind| named(snapshot, kind).ok())
                .flatten();
            let mut names: Vec<_> = kinds.chain(found.unwrap_or_default()).collect();
            names.sort();
            names.dedup();
            if names.is_empty() { Err(unknown(sender)) } else { Ok(names) }
        }
        "default" if found.is_err() => Ok(all_key_managers(snapshot)),
        _ => found,
    }
}

fn named(snapshot: &Snapshot, name: &str) -> Result<Vec<String>, MessageFault> {
    let named = |definition: &KeyManager| definition.name.as_str().eq_ignore_ascii_case(name);
    // a template is all of its organisations
    let family =
        |definition: &KeyManager| definition.family.and_then(|index| snapshot.key_manager(index));
    let is = |definition: &KeyManager| {
        let of_it = family(definition).is_some_and(|template| named(&template.definition));
        named(definition) || of_it || definition.kind.name().eq_ignore_ascii_case(name)
    };
    let definitions = snapshot.key_managers.iter().map(|key_manager| &key_manager.definition);
    let names: Vec<_> = definitions
        .filter(|definition| is(definition))
        .map(|definition| definition.name.to_string())
        .collect();
    if names.is_empty() { Err(unknown(name)) } else { Ok(names) }
}

fn unknown(sender: &str) -> MessageFault {
    MessageFault::UnknownKeyManager(sender.chars().take(100).collect())
}

/// Tokens are taken for this long after their end.
fn longest_leeway(snapshot: &Snapshot) -> u64 {
    let leeways = snapshot
        .key_managers
        .iter()
        .map(|key_manager| key_manager.definition.rules.leeway.as_secs());
    leeways.max().unwrap_or_default().saturating_add(1)
}

fn all_key_managers(snapshot: &Snapshot) -> Vec<String> {
    snapshot
        .key_managers
        .iter()
        .map(|key_manager| key_manager.definition.name.to_string())
        .collect()
}
