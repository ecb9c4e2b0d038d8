//! The parts of the running gateway that a comparison of access reads: the snapshot, and last uses.

use std::collections::HashMap;

use uuid::Uuid;

use crate::model::identity::{ObjectId, ObjectKind};
use crate::model::{AccessDifference, AccessHolder, AccessState};
use crate::snapshot::Snapshot;
use crate::store::{Kind, LastUse, Store, StoreError};

/// Returns the access of callers by a snapshot.
pub(super) fn access_of(snapshot: &Snapshot) -> AccessState<'_> {
    let key_managers = &snapshot.key_managers;
    AccessState::new(
        snapshot.routes.apis.iter().map(|own| &own.definition),
        key_managers.iter().map(|own| &own.definition),
        key_managers.templates.iter().map(|own| &own.definition),
        &snapshot.directory,
    )
}

/// Adds the day on which each application last used the API of a line. If the store does not
/// answer, the day is left out.
pub(super) async fn note_last_uses(store: &dyn Store, access: &mut AccessDifference) {
    let mut found: HashMap<String, Vec<LastUse>> = HashMap::new();
    for change in &mut access.changes {
        let AccessHolder::Application { application, .. } = &change.holder else { continue };
        if !found.contains_key(application) {
            let Ok(uses) = uses_of(store, application).await else { return };
            found.insert(application.clone(), uses);
        }
        let uses = found.get(application).into_iter().flatten();
        let last = uses.filter(|own| own.api == change.api).max_by_key(|own| own.day);
        change.last_used = last.and_then(LastUse::date);
    }
}

async fn uses_of(store: &dyn Store, application: &str) -> Result<Vec<LastUse>, StoreError> {
    let kept = store.named(Kind::Application, application).await?;
    store.last_uses(kept.map_or_else(|| declared_id(application), |own| own.id)).await
}

/// The id of an application that a file declares.
pub(super) fn declared_id(application: &str) -> Uuid {
    Uuid::from(ObjectId::declared(ObjectKind::Application, application))
}
