//! Makes a copy of another store, and keeps it up to date by revision.

use crate::store::changes::{StoreChanges, StoreHead};
use crate::store::digest::StateDigest;
use crate::store::error::StoreError;
use crate::store::record::Record;
use crate::store::sql::rows::{find, insert, remove, replace};
use crate::store::sql::session::SqlSession;
use crate::store::sql::state::{StoreState, read_state, write_state};
use crate::store::sql::writing::prune;

/// The tables of a copy.
const COPIED: [&str; 5] = ["objects", "memberships", "name_blocks", "tallies", "removals"];

/// Takes changes over as they are, with their times and revisions.
pub(in crate::store) async fn follow(
    session: &mut impl SqlSession,
    mut changes: StoreChanges,
) -> Result<(), StoreError> {
    let mut state = read_state(session).await?;
    let before = state.revision;
    for gone in &changes.removed {
        if let Some((old, seq)) = find(session, gone.kind, gone.id).await? {
            remove(session, &mut state, (&old, seq), gone.revision).await?;
        }
    }
    park(session, &mut state, &changes.written).await?;
    // an application comes before its keys and subscriptions: their rows stand together
    changes.written.sort_by_key(|record| record.kind);
    for record in &changes.written {
        match find(session, record.kind, record.id).await? {
            Some((old, seq)) => replace(session, &mut state, (&old, seq), record).await?,
            None => insert(session, &mut state, record).await?,
        }
    }
    state.revision = changes.complete_to;
    prune(session, &mut state, before).await?;
    write_state(session, &state).await
}

/// Gives objects that change their names or places unused ones for now, since two objects may have
/// exchanged theirs.
async fn park(
    session: &mut impl SqlSession,
    state: &mut StoreState,
    written: &[Record],
) -> Result<(), StoreError> {
    for record in written {
        let Some((old, seq)) = find(session, record.kind, record.id).await? else { continue };
        if old.name != record.name || old.place != record.place {
            let mut parked = old.clone();
            // no name begins like this
            parked.name = format!("\u{1}{}", old.id);
            parked.place = None;
            replace(session, state, (&old, seq), &parked).await?;
        }
    }
    Ok(())
}

/// Replaces everything by the records that `next` returns until it returns none.
pub(in crate::store) async fn replace_all(
    session: &mut impl SqlSession,
    mut next: impl FnMut() -> Option<Record> + Send,
) -> Result<StoreState, StoreError> {
    for table in COPIED {
        session.run(&format!("DELETE FROM {table}"), &[]).await?;
    }
    let mut state = read_state(session).await?;
    state.digest = StateDigest::default();
    state.next_group = 1;
    while let Some(record) = next() {
        insert(session, &mut state, &record).await?;
    }
    Ok(state)
}

/// Notes the state of the other store that a copy has.
pub(in crate::store) async fn settle(
    session: &mut impl SqlSession,
    mut state: StoreState,
    head: StoreHead,
) -> Result<(), StoreError> {
    state.epoch = head.epoch;
    state.revision = head.revision;
    // it does not know earlier removals
    state.known_from = head.revision;
    write_state(session, &state).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::sql::session::one_number;
    use crate::store::sqlite::{SqliteSession, SqliteStore, now};
    use crate::store::storage::Store;
    use crate::store::suite::SetClock;

    /// Removals of revision 1, more than a store keeps.
    const MANY: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                        WHERE i < 100010) INSERT INTO removals (kind, id, name, revision) \
                        SELECT 'application', CAST(i AS BLOB), i, 1 FROM n";

    #[tokio::test]
    async fn a_copy_forgets_old_removals_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let store = SqliteStore::open(&path, Arc::new(SetClock::default())).unwrap();
        let changes = |head, complete_to| {
            let (written, removed) = (Vec::new(), Vec::new());
            StoreChanges { head, written, removed, complete_to, known: true }
        };
        let head = store.checksum().await.unwrap().0;
        let follow = move |session: &mut SqliteSession| {
            session.batch(MANY)?;
            now(async {
                follow(session, changes(head, 49)).await?;
                let before =
                    session.query("SELECT count(*) FROM removals", &[], one_number).await?;
                follow(session, changes(head, 50)).await?;
                let after = session.query("SELECT count(*) FROM removals", &[], one_number).await?;
                Ok((before, after))
            })
        };
        assert_eq!(store.work(follow).await.unwrap(), (vec![100_010], vec![95_010]));
    }
}
