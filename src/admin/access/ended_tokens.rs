//! Tokens that ended before they expired, noted in the store for all gateways.
//!
//! A user has a bounded number of notes. One who ends more tokens than that loses all tokens that
//! were issued until then, which is one note again. Notes of expired tokens go with the user's next
//! one.

use serde_json::json;
use uuid::Uuid;

use crate::admin::access::token::REFRESH_LIFETIME;
use crate::admin::catalog::Catalog;
use crate::admin::refused::Refused;
use crate::store::{Author, Change, Kind, Query, Record, StoreError, Write};

/// Notes of one user: a tool that asks for a new token every ten minutes needs 144 a day.
const MOST_OF_USER: usize = 256;

/// Somebody may end a token of the same user at the same time: so often is it tried again.
const ATTEMPTS: u8 = 4;

/// The keys of a record's declared form, in milliseconds since 1970.
const UNTIL: &str = "until";
const BEFORE: &str = "issued_before";

/// A token as it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EndedToken<'t> {
    pub(super) id: &'t str,
    pub(super) user: &'t str,
    pub(super) issued: u64,
    pub(super) end: u64,
}

/// Tells whether a token is noted.
pub(super) async fn has(catalog: &Catalog, token: &EndedToken<'_>) -> Result<bool, Refused> {
    let names = [token.id.to_owned(), of_user(token.user)];
    let noted = catalog.store().named_all(Kind::EndedToken, &names).await?;
    let is_about = |record: &Record| {
        record.name == token.id || number(record, BEFORE).is_some_and(|own| token.issued < own)
    };
    Ok(noted.iter().any(is_about))
}

/// Notes a token; `false`: it was noted already. `now` is in milliseconds since 1970.
pub(super) async fn note(
    catalog: &Catalog,
    token: &EndedToken<'_>,
    author: Author,
    now: u64,
) -> Result<bool, Refused> {
    let mut attempt = 0_u8;
    loop {
        let query = Query { owner: Some(token.user.to_owned()), ..Query::of(Kind::EndedToken) };
        let noted = catalog.store().list(&query).await?.items;
        let write = Write {
            author: author.clone(),
            action: "end-token",
            changes: changes(&noted, token, now),
            conditions: Vec::new(),
            notes: Vec::new(),
        };
        attempt = attempt.saturating_add(1);
        match catalog.store().write(write).await {
            Ok(_) => return Ok(true),
            Err(StoreError::Taken { name, .. }) if name == token.id => return Ok(false),
            Err(StoreError::Taken { .. } | StoreError::Missing { .. }) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns what is to be written beside these notes of the user.
fn changes(noted: &[Record], token: &EndedToken<'_>, now: u64) -> Vec<Change> {
    let is_over = |record: &&Record| number(record, UNTIL).is_none_or(|until| until <= now);
    let (over, mut live): (Vec<_>, Vec<_>) = noted.iter().partition(is_over);
    let mut created = vec![record(token.id.to_owned(), token.user, token.end)];
    let mut gone = over;
    if live.len() >= MOST_OF_USER {
        let lifetime = u64::try_from(REFRESH_LIFETIME.as_millis()).unwrap_or(u64::MAX);
        let mut all = record(of_user(token.user), token.user, now.saturating_add(lifetime));
        all.declared.insert(BEFORE.to_owned(), json!(now));
        created.push(all);
        gone.append(&mut live);
    }
    let gone =
        gone.into_iter().map(|own| Change::Delete { kind: own.kind, id: own.id, expected: None });
    gone.chain(created.into_iter().map(Change::Create)).collect()
}

fn record(name: String, user: &str, until: u64) -> Record {
    let mut record = Record::new(Kind::EndedToken, Uuid::new_v4(), name);
    record.owner = Some(user.to_owned());
    record.declared.insert(UNTIL.to_owned(), json!(until));
    record
}

/// The name of the note about all tokens of a user. No id has a line end.
fn of_user(user: &str) -> String {
    format!("all\n{user}")
}

fn number(record: &Record, key: &str) -> Option<u64> {
    record.declared.get(key).and_then(serde_json::Value::as_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(changes: &[Change]) -> Vec<&str> {
        let names = changes.iter().filter_map(|change| match change {
            Change::Create(record) => Some(record.name.as_str()),
            _ => None,
        });
        names.collect()
    }

    #[test]
    fn expired_notes_go_and_too_many_become_one() {
        let token = EndedToken { id: "new", user: "ann", issued: 5, end: 100 };
        let mut noted = vec![record("old".to_owned(), "ann", 10)];
        noted.extend((1..MOST_OF_USER).map(|id| record(id.to_string(), "ann", 100)));
        let few = changes(&noted, &token, 10);
        assert_eq!((created(&few), few.len()), (vec!["new"], 2), "the expired one goes");
        let full = changes(&noted, &token, 9);
        assert_eq!(created(&full), ["new", "all\nann"]);
        assert_eq!(full.len(), MOST_OF_USER + 2);
        let all = full.iter().find_map(|change| match change {
            Change::Create(record) if record.name == "all\nann" => Some(record),
            _ => None,
        });
        assert_eq!(number(all.unwrap(), BEFORE), Some(9));
    }
}
