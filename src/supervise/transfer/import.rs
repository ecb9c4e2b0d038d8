//! Takes a file into the store: a plan first, then one transaction.

use std::sync::Arc;

use crate::config::{ChangeTurn, ConfigFiles};
use crate::model::identity::Identities;
use crate::model::{AccessDifference, AccessState, Among};
use crate::store::{Author, Change, Kind, Record, Store, StoreKeys, Write, WriteProgress};
use crate::supervise::access_lines::note_last_uses;
use crate::supervise::background;
use crate::supervise::planning::{Plan, PlannedChange};
use crate::supervise::transfer::contents::StoreContents;
use crate::supervise::transfer::error::TransferError;
use crate::supervise::transfer::file;
use crate::supervise::transfer::matching::{Others, changes};

/// A file that was compared with the store.
#[derive(Debug)]
pub struct StoreImport {
    pub plan: Plan,
    changes: Vec<Change>,
}

/// The parts that an import uses.
#[derive(Debug, Clone)]
pub struct ImportTarget {
    pub store: Arc<dyn Store>,
    pub keys: Arc<StoreKeys>,
    /// The gateway's files: the result must be servable beside them.
    pub files: Arc<ConfigFiles>,
}

impl StoreImport {
    /// Reads a file and finds out its changes. Nothing is changed.
    pub async fn prepare(
        target: &ImportTarget,
        text: String,
        others: Others,
    ) -> Result<Self, TransferError> {
        let contents = StoreContents::read(&*target.store).await?;
        let (keys, files) = (Arc::clone(&target.keys), Arc::clone(&target.files));
        let compared = background::done(move || compare(&contents, &text, others, &keys, &files));
        let stopped = || TransferError::Form("the comparison was stopped".to_owned());
        let (mut import, mut access) = compared.await.ok_or_else(stopped)??;
        note_last_uses(&*target.store, &mut access).await;
        import.plan.add_access(&access);
        Ok(import)
    }

    /// The number of objects that change.
    pub fn count(&self) -> usize {
        self.changes.len()
    }

    /// Makes all changes or none, and returns the revision.
    pub async fn apply(
        self,
        store: &dyn Store,
        progress: WriteProgress,
    ) -> Result<u64, TransferError> {
        let author = Author { name: "portcullis store import".to_owned(), address: None };
        let conditions = Vec::new();
        let write = Write {
            author,
            action: "import",
            changes: self.changes,
            conditions,
            notes: Vec::new(),
        };
        Ok(store.write_long(write, progress).await?.revision)
    }
}

fn compare(
    contents: &StoreContents,
    text: &str,
    others: Others,
    keys: &StoreKeys,
    files: &Arc<ConfigFiles>,
) -> Result<(StoreImport, AccessDifference), TransferError> {
    let objects = file::read(text)?;
    let changes = changes(contents, &objects, others, keys)?;
    let after = contents.after(&changes);
    let mut plan = Plan::default();
    for change in &changes {
        plan.add(planned(contents, &after, change));
    }
    let identities = Identities::default();
    let next = after.compiled(files, &identities, keys)?;
    plan.warnings.extend(next.warnings.problems());
    let access = match contents.compiled(files, &identities, keys) {
        Ok(now) => {
            AccessState::of(&now.model).difference(&AccessState::of(&next.model), Among::All)
        }
        Err(_) => {
            let warning = "the store cannot be served as it is, so nobody can tell who gains or \
                           loses access";
            plan.warnings.push(warning.to_owned());
            AccessDifference::default()
        }
    };
    Ok((StoreImport { plan, changes }, access))
}

fn planned(before: &StoreContents, after: &StoreContents, change: &Change) -> PlannedChange {
    let (change, kind, name, keys) = match change {
        Change::Create(record) => {
            (ChangeTurn::Created, record.kind, name(after, record), Vec::new())
        }
        Change::Update { record, .. } => {
            let old = before.get(record.kind, record.id);
            let keys = old.map(|old| differing(old, record)).unwrap_or_default();
            (ChangeTurn::Changed, record.kind, name(after, record), keys)
        }
        Change::Delete { kind, id, .. } => {
            let old = before.get(*kind, *id);
            let name = old.map(|old| name(before, old)).unwrap_or_default();
            (ChangeTurn::Removed, *kind, name, Vec::new())
        }
    };
    PlannedChange { change, kind: kind.as_str().replace('_', " "), name, keys }
}

fn differing(old: &Record, new: &Record) -> Vec<String> {
    let gone = old.declared.keys().filter(|key| !new.declared.contains_key(*key));
    let mut keys: Vec<String> = new
        .declared
        .iter()
        .filter(|(key, value)| old.declared.get(*key) != Some(*value))
        .map(|(key, _)| key)
        .chain(gone)
        .cloned()
        .collect();
    if old.parent != new.parent {
        keys.push("application".to_owned());
    }
    keys
}

/// Names an object for people; a key or a subscription with its application.
fn name(contents: &StoreContents, record: &Record) -> String {
    let what = match record.kind {
        Kind::Key => record.text("consumer_key"),
        Kind::Subscription => record.text("api"),
        Kind::DenyCondition => {
            let text = |key: &str| record.text(key).unwrap_or_default().to_owned();
            return format!("{}:{}", text("type"), text("value"));
        }
        _ => return record.name.clone(),
    };
    let application = record.parent.and_then(|own| contents.get(Kind::Application, own));
    match application {
        Some(application) => format!("{} of {}", what.unwrap_or_default(), application.name),
        None => what.unwrap_or_default().to_owned(),
    }
}
