//! Writes everything that a file of the contract can hold, sorted.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{Kind, Record, Store, StoreHead};
use crate::supervise::transfer::error::TransferError;
use crate::supervise::transfer::form::{LISTS, PARTS, table};

/// Kinds that never leave the store, or that the contract has no table for.
const LEFT: [(Kind, &str); 6] = [
    (Kind::User, "users"),
    (Kind::ManagementClient, "clients of the management API"),
    (Kind::EndedToken, "ended tokens of the management API"),
    (Kind::Definition, "OpenAPI definitions"),
    (Kind::ApiRevision, "revisions of APIs"),
    (Kind::Scope, "shared scopes"),
];

/// The tables of an export.
#[derive(Debug, Default)]
struct Exporting {
    /// The tables by list and name.
    tables: Vec<(usize, String, String)>,
    family: Option<Family>,
    secrets: u64,
    left: [u64; LEFT.len()],
    failed: Option<String>,
}

/// An application that is not complete yet.
#[derive(Debug)]
struct Family {
    application: Record,
    parts: Vec<Record>,
}

/// Returns the store at one revision as a file, and a line about its omissions.
pub async fn export(store: &dyn Store) -> Result<(String, String), TransferError> {
    let exporting = Arc::new(Mutex::new(Exporting::default()));
    let adding = Arc::clone(&exporting);
    let each = move |record| adding.lock().unwrap_or_else(PoisonError::into_inner).add(record);
    let head = store.read_all(&Kind::ALL, Box::new(each)).await?;
    let mut all = std::mem::take(&mut *exporting.lock().unwrap_or_else(PoisonError::into_inner));
    all.end_family();
    all.tables.sort();
    if let Some(failed) = all.failed {
        return Err(TransferError::Form(failed));
    }
    let summary = all.summary(head);
    let texts: Vec<String> = all.tables.into_iter().map(|(_, _, text)| text).collect();
    Ok((texts.join("\n"), summary))
}

impl Exporting {
    fn add(&mut self, record: Record) {
        match record.kind {
            Kind::Application => {
                self.end_family();
                self.family = Some(Family { application: record, parts: Vec::new() });
            }
            Kind::Key | Kind::Subscription => {
                let Some(family) = &mut self.family else { return };
                if record.parent == Some(family.application.id) {
                    family.parts.push(record);
                }
            }
            kind => {
                for ((left, _), count) in LEFT.iter().zip(&mut self.left) {
                    *count = count.saturating_add(u64::from(*left == kind));
                }
                let own = table(&record, &mut self.secrets);
                self.put(kind, record.name, own);
            }
        }
    }

    fn end_family(&mut self) {
        let Some(Family { application, mut parts }) = self.family.take() else { return };
        let mut own = table(&application, &mut self.secrets);
        parts.sort_by(|one, two| one.name.cmp(&two.name));
        for (list, kind) in PARTS {
            let records = parts.iter().filter(|record| record.kind == kind);
            let tables = records.map(|record| table(record, &mut self.secrets));
            let tables: Vec<_> = tables.map(toml::Value::Table).collect();
            if !tables.is_empty() {
                own.insert(list.to_owned(), toml::Value::Array(tables));
            }
        }
        self.put(Kind::Application, application.name, own);
    }

    fn put(&mut self, kind: Kind, name: String, table: toml::Table) {
        let found = LISTS.iter().enumerate().find(|(_, (_, own))| *own == kind);
        let Some((at, (list, _))) = found else { return };
        let tables = toml::Value::Array(vec![toml::Value::Table(table)]);
        match toml::to_string(&toml::Table::from_iter([((*list).to_owned(), tables)])) {
            Ok(text) => self.tables.push((at, name, text)),
            Err(error) => {
                let failed = || format!("the {} {name:?}: {error}", kind.as_str());
                self.failed.get_or_insert_with(failed);
            }
        }
    }

    fn summary(&self, head: StoreHead) -> String {
        let mut summary = format!("{} objects of revision {}", self.tables.len(), head.revision);
        let left = LEFT.iter().zip(self.left).map(|((_, name), count)| (count, *name));
        let left: Vec<_> = std::iter::once((self.secrets, "secrets"))
            .chain(left)
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        if !left.is_empty() {
            summary.push_str("; not in the file: ");
            summary.push_str(&left.join(", "));
        }
        summary
    }
}
