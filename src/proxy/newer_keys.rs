//! Waiting for newer keys where the verdict on a request may change with them.
//!
//! A token whose key is unknown is refused for good only after the key set was fetched since the request arrived. If that
//! cannot be had in time, the trouble is the gateway's and not the client's: 503, with the seconds after which to try
//! again.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::authenticate::AuthenticateError;
use crate::jwks::{KeyManagerKeys, KeyWaiter, RefetchCause, Refetched};
use crate::model::reason::Reason;
use crate::proxy::decision::{Refused, Why};

/// Changes of the keys, while one request waits, after which its verdict is final.
const MOST_CHANGES: u8 = 16;

/// What one request has waited for.
#[derive(Debug, Default)]
pub(super) struct NewerKeys {
    asker: Option<KeyWaiter>,
    changes: u8,
    /// The keys are as new as this request needs them.
    settled: bool,
}

/// What becomes of a refused request.
#[derive(Debug)]
pub(super) enum KeyRefreshOutcome {
    DecideAgain,
    /// The refusal stands.
    Stands,
    /// It is refused for another reason.
    Instead(AuthenticateError),
}

type Stale = Vec<(Arc<KeyManagerKeys>, RefetchCause)>;

impl NewerKeys {
    /// Whether newer keys could turn the refusal into a yes.
    pub(super) fn may_help(&self, refused: &Refused<'_>) -> bool {
        !self.settled && self.changes < MOST_CHANGES && !refused.why.stale_keys().is_empty()
    }

    /// Waits, within the request's deadline, for such keys.
    pub(super) async fn wait(
        &mut self,
        refused: &Refused<'_>,
        client: IpAddr,
    ) -> KeyRefreshOutcome {
        let stale = refused.why.stale_keys();
        let first = self.asker.is_none();
        let asker = *self.asker.get_or_insert_with(|| KeyWaiter::now(Some(client)));
        // they may have changed between the decision and now; a bad signature is not checked twice for that
        let missed = |(keys, cause): &(Arc<KeyManagerKeys>, RefetchCause)| {
            *cause != RefetchCause::BadSignature && keys.changed_recently()
        };
        if first && stale.iter().any(missed) {
            return KeyRefreshOutcome::DecideAgain;
        }
        match ask(stale.clone(), asker).await {
            Refetched::Changed => {
                self.changes = self.changes.saturating_add(1);
                KeyRefreshOutcome::DecideAgain
            }
            Refetched::Unchanged => {
                self.settled = true;
                // a good fetch after a failed one: now it is known that there is no such key
                if refused.why.reason() == Reason::KeysUnavailable {
                    KeyRefreshOutcome::DecideAgain
                } else {
                    KeyRefreshOutcome::Stands
                }
            }
            Refetched::NotAllowed => KeyRefreshOutcome::Stands,
            came @ (Refetched::Failed
            | Refetched::TimedOut
            | Refetched::TooLate
            | Refetched::Crowded) => instead(refused, &stale, came),
        }
    }
}

/// The key may exist, and the gateway could not look.
fn instead(refused: &Refused<'_>, stale: &Stale, came: Refetched) -> KeyRefreshOutcome {
    let (Why::Authenticate(error), Some((keys, _))) = (&refused.why, stale.first()) else {
        return KeyRefreshOutcome::Stands;
    };
    let concerned = matches!(error.reason(), Reason::UnknownKey | Reason::KeysUnavailable);
    let Some(key_manager) = error.key_manager().filter(|_| concerned) else {
        return KeyRefreshOutcome::Stands;
    };
    KeyRefreshOutcome::Instead(AuthenticateError::KeysPending {
        key_manager: Arc::clone(key_manager),
        why: match came {
            Refetched::Failed => "its key set cannot be read",
            Refetched::TooLate => "`jwks_min_refetch` lets its key set be read again later only",
            Refetched::Crowded => "too many requests wait for its key set already",
            _ => "its key set was not read in time",
        },
        retry_after: keys.retry_after(),
    })
}

/// Asks for all of them side by side: one server's silence is not another's. The first change, or what the last one came
/// to.
async fn ask(mut stale: Stale, asker: KeyWaiter) -> Refetched {
    if stale.len() == 1
        && let Some((keys, cause)) = stale.pop()
    {
        return keys.refetch_for(cause, &asker).await;
    }
    let mut asking = JoinSet::new();
    for (keys, cause) in stale {
        asking.spawn(async move { keys.refetch_for(cause, &asker).await });
    }
    let mut outcome = Refetched::NotAllowed;
    while let Some(came) = asking.join_next().await {
        outcome = came.unwrap_or(Refetched::Failed);
        if outcome == Refetched::Changed {
            break;
        }
    }
    outcome
}
