//! Waits for the right to write to `state_dir`: in a takeover the old process has it first.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::jwks::KeyManagerKeys;
use crate::state_dir::lock::Lock;
use crate::supervise::error::SuperviseError;
use crate::supervise::takeover_link::{self, TakeoverLink};

/// The lock, in a takeover when it is this process' turn.
pub(super) async fn turn(
    lock: Option<Lock>,
    predecessor: Option<&mut TakeoverLink>,
    keys: &[Arc<KeyManagerKeys>],
    state_dir: &Path,
) -> Result<Lock, SuperviseError> {
    if let Some(link) = predecessor {
        await_turn(link, keys).await?;
    }
    match lock {
        Some(lock) => Ok(lock),
        None => take_released_lock(state_dir).await,
    }
}

/// Says that everything is read, and waits until the old process has let the journal go. Keys come
/// first: requests are served from then on.
async fn await_turn(
    link: &mut TakeoverLink,
    keys: &[Arc<KeyManagerKeys>],
) -> Result<(), SuperviseError> {
    const KEYS: Duration = Duration::from_secs(10);
    const JOURNAL: Duration = Duration::from_mins(3);
    let settled = async {
        for keys in keys {
            if !keys.status().usable {
                keys.settled().await;
            }
        }
    };
    // if a set has no keys by then, it has none in the old process either
    let _ = tokio::time::timeout(KEYS, settled).await;
    link.say(takeover_link::STAGED).await.map_err(SuperviseError::Predecessor)?;
    // if the old process has died, its lock has gone with it; if it lives, the lock is held
    let _ = link.wait_for(&[takeover_link::JOURNAL], JOURNAL).await;
    Ok(())
}

/// Takes the lock of a process that released it or is about to end.
async fn take_released_lock(path: &Path) -> Result<Lock, SuperviseError> {
    const TRIES: u32 = 100;
    for _ in 0..TRIES {
        if let Ok(lock) = Lock::take(path) {
            return Ok(lock);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    take_lock(path)
}

pub(super) fn take_lock(path: &Path) -> Result<Lock, SuperviseError> {
    Lock::take(path).map_err(|source| SuperviseError::Lock { path: path.to_owned(), source })
}
