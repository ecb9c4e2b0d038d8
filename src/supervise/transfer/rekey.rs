//! Encrypts the secrets that are under previous keys with the current one.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use crate::store::{Author, Change, Kind, Store, StoreError, StoreKeys, Write, has_sealed};
use crate::supervise::transfer::error::TransferError;

/// An object may change while its secrets are encrypted again.
const ATTEMPTS: usize = 5;

/// Seals all secrets anew, and returns the numbers of changed secrets and objects. Each object is a
/// write of its own, so that a gateway goes on in between. A command that was stopped can be run
/// again.
pub async fn rekey(store: &dyn Store, keys: &StoreKeys) -> Result<(usize, usize), TransferError> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let finding = Arc::clone(&found);
    let each = move |record| {
        if has_sealed(&record) {
            let mut found = finding.lock().unwrap_or_else(PoisonError::into_inner);
            found.push((record.kind, record.id));
        }
    };
    store.read_all(&Kind::ALL, Box::new(each)).await?;
    let sealed = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    let (mut secrets, mut objects) = (0_usize, 0_usize);
    for (kind, id) in sealed {
        let changed = one(store, keys, kind, id).await?;
        secrets = secrets.saturating_add(changed);
        objects = objects.saturating_add(usize::from(changed > 0));
    }
    Ok((secrets, objects))
}

async fn one(
    store: &dyn Store,
    keys: &StoreKeys,
    kind: Kind,
    id: Uuid,
) -> Result<usize, TransferError> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let Some(mut record) = store.get(kind, id).await? else { return Ok(0) };
        let changed = keys.reseal(&mut record)?;
        if changed == 0 {
            return Ok(0);
        }
        let expected = Some(record.revision);
        let changes = vec![Change::Update { record, expected }];
        let author = Author { name: "portcullis store rekey".to_owned(), address: None };
        let (conditions, notes) = (Vec::new(), Vec::new());
        let write = Write { author, action: "rekey", changes, conditions, notes };
        match store.write(write).await {
            Ok(_) => return Ok(changed),
            Err(StoreError::Missing { .. }) => return Ok(0),
            Err(error @ StoreError::Changed { .. }) => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.unwrap_or(StoreError::Missing { kind, id }).into())
}
