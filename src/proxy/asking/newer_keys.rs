//! Waits for newer keys where they could change the verdict on a token.
//!
//! A token whose key is unknown is refused for good only after its key set was fetched since the
//! request arrived. If that cannot be had in time, the trouble is the gateway's and not the
//! client's: 503, with the seconds after which to try again.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::authenticate::{AuthenticateError, StaleKeys};
use crate::jwks::{KeyManagerKeys, KeyWaiter, RefetchCause, Refetched};
use crate::model::reason::Reason;

/// Changes of the keys, while one request waits, after which its verdict is final.
const MOST_CHANGES: u8 = 16;

/// The key sets that one request has waited for.
#[derive(Debug, Default)]
pub(super) struct NewerKeys {
    waiter: Option<KeyWaiter>,
    changes: u8,
    /// The keys are as new as this request needs them.
    settled: bool,
}

impl NewerKeys {
    /// Waits for newer keys within the request's deadline. After `Ok` the decision is worth
    /// repeating; `otherwise` is the verdict if they do not help.
    pub(super) async fn wait(
        &mut self,
        stale: StaleKeys,
        otherwise: AuthenticateError,
        client: IpAddr,
    ) -> Result<(), AuthenticateError> {
        if self.settled || self.changes >= MOST_CHANGES {
            return Err(otherwise);
        }
        let first = self.waiter.is_none();
        let waiter = *self.waiter.get_or_insert_with(|| KeyWaiter::now(Some(client)));
        // they may have changed between the decision and now; a bad signature is not checked twice
        // for that
        let missed = |(keys, cause): &(Arc<KeyManagerKeys>, RefetchCause)| {
            *cause != RefetchCause::BadSignature && keys.changed_recently()
        };
        if first && stale.iter().any(missed) {
            return Ok(());
        }
        let keys = stale.first().map(|(keys, _)| Arc::clone(keys));
        let pending = |why| Err(pending(otherwise.clone(), why, keys.as_deref()));
        match refetch(stale, waiter).await {
            Refetched::Changed => {
                self.changes = self.changes.saturating_add(1);
                Ok(())
            }
            Refetched::Unchanged => {
                self.settled = true;
                // a good fetch after a failed one: now it is certain that no such key exists
                if otherwise.reason() == Reason::KeysUnavailable { Ok(()) } else { Err(otherwise) }
            }
            Refetched::NotAllowed => Err(otherwise),
            Refetched::Failed => pending("its key set cannot be read"),
            Refetched::TooLate => {
                pending("`jwks_min_refetch` lets its key set be read again later only")
            }
            Refetched::Crowded => pending("too many requests wait for its key set already"),
            Refetched::TimedOut => pending("its key set was not read in time"),
        }
    }
}

/// Refuses for the gateway's trouble: the key may exist, and the gateway could not look.
fn pending(
    otherwise: AuthenticateError,
    why: &'static str,
    keys: Option<&KeyManagerKeys>,
) -> AuthenticateError {
    let concerned = matches!(otherwise.reason(), Reason::UnknownKey | Reason::KeysUnavailable);
    match (otherwise.key_manager().filter(|_| concerned).map(Arc::clone), keys) {
        (Some(key_manager), Some(keys)) => {
            AuthenticateError::KeysPending { key_manager, why, retry_after: keys.retry_after() }
        }
        _ => otherwise,
    }
}

/// Fetches all of them side by side, so that one server's silence is not another's. Returns at the
/// first change, or with the outcome of the last fetch.
async fn refetch(mut stale: StaleKeys, waiter: KeyWaiter) -> Refetched {
    if stale.len() == 1
        && let Some((keys, cause)) = stale.pop()
    {
        return keys.refetch_for(cause, &waiter).await;
    }
    let mut fetches = JoinSet::new();
    for (keys, cause) in stale {
        fetches.spawn(async move { keys.refetch_for(cause, &waiter).await });
    }
    let mut outcome = Refetched::NotAllowed;
    while let Some(fetched) = fetches.join_next().await {
        outcome = fetched.unwrap_or(Refetched::Failed);
        if outcome == Refetched::Changed {
            break;
        }
    }
    outcome
}
