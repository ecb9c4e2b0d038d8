//! Finds the objects of the store that a file means, and their changes.

use std::collections::HashSet;

use uuid::Uuid;

use crate::store::{Change, Kind, QUOTA_RESETS, Record, StoreKeys};
use crate::supervise::transfer::contents::StoreContents;
use crate::supervise::transfer::error::TransferError;
use crate::supervise::transfer::file::FileObject;
use crate::supervise::transfer::form::{drop_nulls, record};
use crate::supervise::transfer::sealing::seal;

/// The fate of objects that a file does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    Stay,
    Go,
}

/// Returns the changes after which the store equals the file, in an order in which they can be
/// made.
pub(super) fn changes(
    contents: &StoreContents,
    objects: &[FileObject],
    others: Others,
    keys: &StoreKeys,
) -> Result<Vec<Change>, TransferError> {
    let mut wanted = Matching { contents, keys, seen: HashSet::new(), changes: Vec::new() };
    let mut complete = HashSet::new();
    for object in objects {
        let id = wanted.add(object, None)?;
        if object.kind == Kind::Application {
            complete.insert(id);
            for part in &object.parts {
                wanted.add(part, Some(id))?;
            }
        }
    }
    let Matching { seen, changes: mut made, .. } = wanted;
    let goes = |own: &&Record| match own.kind {
        Kind::Key | Kind::Subscription => {
            let parent = own.parent.unwrap_or_default();
            complete.contains(&parent)
                || (others == Others::Go && !seen.contains(&(Kind::Application, parent)))
        }
        // they go with their API
        Kind::Definition => others == Others::Go && !seen.contains(&(Kind::Api, own.id)),
        Kind::ApiRevision => {
            let parent = own.parent.unwrap_or_default();
            others == Others::Go && !seen.contains(&(Kind::Api, parent))
        }
        _ => others == Others::Go,
    };
    let gone = contents.iter().filter(|own| !seen.contains(&(own.kind, own.id))).filter(goes);
    let mut changes: Vec<Change> = gone.map(removal).collect();
    // an object that points to another one is removed before it
    changes.reverse();
    // and is made after it
    made.sort_by_key(kind_of);
    changes.append(&mut made);
    Ok(changes)
}

struct Matching<'w> {
    contents: &'w StoreContents,
    keys: &'w StoreKeys,
    seen: HashSet<(Kind, Uuid)>,
    changes: Vec<Change>,
}

impl Matching<'_> {
    /// Notes the change of an object, and returns its id.
    fn add(&mut self, object: &FileObject, parent: Option<Uuid>) -> Result<Uuid, TransferError> {
        let kind = object.kind;
        let unnamed = record(kind, Uuid::nil(), parent, object.declared.clone());
        let old = match object.id.and_then(|id| self.contents.get(kind, id)) {
            Some(old) => Some(old),
            None => self.contents.alike(&unnamed),
        };
        if let (Some(old), Some(id)) = (old, object.id)
            && old.id != id
        {
            return Err(TransferError::Form(format!(
                "the {} has the id {} in the store, and {id} in the file; remove the `id`, or \
                 rename one of them",
                told(&unnamed),
                old.id
            )));
        }
        let id = old.map(|old| old.id).or(object.id).unwrap_or_else(Uuid::new_v4);
        if !self.seen.insert((kind, id)) {
            let message = format!("the {} stands twice in the file", told(&unnamed));
            return Err(TransferError::Form(message));
        }
        let mut new = record(kind, id, parent, object.declared.clone());
        seal(old, &mut new, self.keys)?;
        let Some(old) = old else {
            self.changes.push(Change::Create(new));
            return Ok(id);
        };
        new.extra.clone_from(&old.extra);
        if let Some(resets) = old.declared.get(QUOTA_RESETS) {
            new.declared.insert(QUOTA_RESETS.to_owned(), resets.clone());
        }
        // a file says who owns an application, not who published an API
        if new.owner.is_none() {
            new.owner.clone_from(&old.owner);
        }
        let (made, changed) = (old.created_at, old.updated_at);
        (new.created_at, new.updated_at, new.revision) = (made, changed, old.revision);
        let mut before = old.clone();
        drop_nulls(&mut before.declared);
        if new != before {
            self.changes.push(Change::Update { record: new, expected: Some(old.revision) });
        }
        Ok(id)
    }
}

fn removal(record: &Record) -> Change {
    Change::Delete { kind: record.kind, id: record.id, expected: Some(record.revision) }
}

pub(super) fn kind_of(change: &Change) -> Kind {
    match change {
        Change::Create(record) | Change::Update { record, .. } => record.kind,
        Change::Delete { kind, .. } => *kind,
    }
}

/// Names an object for people.
pub(super) fn told(record: &Record) -> String {
    let name = match record.kind {
        Kind::DenyCondition => record.place.as_deref().unwrap_or_default(),
        _ => &record.name,
    };
    format!("{} {:?}", record.kind.as_str().replace('_', " "), name.replace('\n', " / "))
}
