//! How long a stream or an upgraded connection may go on: until its token expires or its right is withdrawn.
//!
//! Decides on the snapshot that is in use now, and only when there is a new one or the time has come. A reload that does
//! not concern a stream leaves it alone. A stream whose key manager has new keys ends if the one that signed its token is
//! not among them; a stream whose token its server is asked about is asked about again, in the background, for as long as
//! it goes on.
//!
//! The walk through the files: [`vouched`] (what signed or vouched for a token, and whether it still does).

mod vouched;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::authenticate::Principal;
use crate::authorize;
use crate::deadline::moment;
use crate::model::api::Lifecycle;
use crate::model::clock::UnixSeconds;
use crate::model::directory::KeyType;
use crate::model::names::{ApiIndex, ApiName, Version};
use crate::proxy::tenure::vouched::Vouched;
use crate::revocation::Revocations;
use crate::snapshot::Snapshot;

/// Tokens that expire together do not end their streams together: the end comes up to this share of the rest of the
/// token's life later, and never later than [`MOST_JITTER`].
const JITTER_SHARE: u64 = 10;
const MOST_JITTER: u64 = 5_000;

/// Why a stream has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    TokenExpired,
    Revoked,
    /// The key that signed the token is no longer one of its key manager's.
    KeyWithdrawn,
    /// The authorization server says that the token is not active.
    Inactive,
    /// The authorization server could not be asked for too long.
    Unconfirmed,
    /// Blocked, unsubscribed, or the API or the key manager is gone.
    Withdrawn,
}

/// What a stream's right hangs on.
#[derive(Debug)]
pub struct Right {
    pub principal: Principal,
    pub api: ApiName,
    pub version: Version,
    pub key_type: KeyType,
}

/// The streams of one worker.
#[derive(Debug, Default)]
pub struct Tenures {
    held: RefCell<Slab<Rc<Held>>>,
    /// Of the snapshot, and of the revocations, that were looked at last.
    generation: Cell<(u64, u64)>,
}

#[derive(Debug)]
struct Held {
    right: Right,
    /// Milliseconds since 1970; the end of time where the token has none.
    until: u64,
    vouched: Vouched,
    ended: Cell<Option<Ended>>,
    waker: RefCell<Option<Waker>>,
}

/// One stream's; dropping it ends the watch.
#[derive(Debug)]
pub struct Tenure {
    tenures: Rc<Tenures>,
    held: Rc<Held>,
    key: usize,
}

impl Ended {
    /// What the log says, and the peer where the protocol has room for it.
    pub fn message(self) -> &'static str {
        match self {
            Self::TokenExpired => "the token expired",
            Self::Revoked => "the token was revoked",
            Self::KeyWithdrawn => "the key that signed the token was withdrawn",
            Self::Inactive => "the authorization server says that the token is not active",
            Self::Unconfirmed => "the authorization server could not be asked about the token",
            Self::Withdrawn => "the right to call the API was withdrawn",
        }
    }
}

impl Tenures {
    /// Watches over a stream from now (milliseconds since 1970) on. `random` spreads the ends.
    pub fn hold(self: &Rc<Self>, right: Right, now: u64, random: u64) -> Tenure {
        let claims = right.principal.claims();
        // an answer that names no end is asked for again, and ends nothing by itself
        let until = if claims.states_expiry() {
            spread(claims.expires_at().0.saturating_mul(1000), now, random)
        } else {
            u64::MAX
        };
        let vouched = Vouched::of(&right.principal, random);
        let held = Rc::new(Held {
            right,
            until,
            vouched,
            ended: Cell::new(None),
            waker: RefCell::default(),
        });
        let key = self.held.borrow_mut().insert(Rc::clone(&held));
        Tenure { tenures: Rc::clone(self), held, key }
    }

    /// Ends what has to end. Called by the worker's tick.
    pub fn sweep(&self, snapshot: &Snapshot, revocations: &Revocations, now: u64) {
        let newest = (snapshot.generation, revocations.generation());
        let changed = self.generation.replace(newest) != newest;
        let mut apis = HashMap::new();
        let mut over = Vec::new();
        let times = (UnixSeconds(now / 1000), moment());
        for (_, held) in self.held.borrow().iter() {
            if held.until <= now {
                over.push((Rc::clone(held), Ended::TokenExpired));
            } else if let Some(why) =
                held.vouched.look(&held.right.principal, snapshot, changed, times)
            {
                over.push((Rc::clone(held), why));
            } else if changed
                && held
                    .right
                    .principal
                    .revoked_by(revocations, None, UnixSeconds(now / 1000))
                    .is_some()
            {
                over.push((Rc::clone(held), Ended::Revoked));
            } else if changed && !still_holds(snapshot, &held.right, &mut apis) {
                over.push((Rc::clone(held), Ended::Withdrawn));
            }
        }
        // not under the table's borrow: a woken stream may leave it
        for (held, why) in over {
            if held.ended.get().is_none() {
                held.ended.set(Some(why));
                let waker = held.waker.borrow_mut().take();
                waker.into_iter().for_each(Waker::wake);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.held.borrow().is_empty()
    }
}

/// A moment a little later than this one, so that not all come at once.
fn spread(at: u64, now: u64, random: u64) -> u64 {
    let most =
        at.saturating_sub(now).checked_div(JITTER_SHARE).unwrap_or_default().min(MOST_JITTER);
    at.saturating_add(random.checked_rem(most.saturating_add(1)).unwrap_or_default())
}

/// Whether a new request with the same token would still find its API and its subscription.
fn still_holds<'r>(
    snapshot: &Snapshot,
    right: &'r Right,
    apis: &mut HashMap<(&'r str, &'r str), Option<ApiIndex>>,
) -> bool {
    let (name, version) = (right.api.as_str(), right.version.as_str());
    let index = *apis.entry((name, version)).or_insert_with(|| {
        let found = snapshot.apis.iter().find(|api| {
            api.definition.name == right.api && api.definition.version == right.version
        });
        found.map(|api| api.index)
    });
    let Some(api) = index.and_then(|index| snapshot.api(index)) else { return false };
    if matches!(api.definition.lifecycle, Lifecycle::Blocked | Lifecycle::Retired) {
        return false;
    }
    let wanted = &right.principal.key_manager().definition;
    let key_manager = snapshot.same_named(right.principal.key_manager());
    let same = key_manager
        .filter(|found| found.definition.enabled && found.definition.issuer == wanted.issuer);
    same.is_some_and(|found| {
        api.takes(&found)
            && authorize::still(snapshot, api, &found, &right.principal, right.key_type)
    })
}

impl Tenure {
    /// Ready when the stream has to end.
    pub fn poll_ended(&self, context: &Context<'_>) -> Poll<Ended> {
        if let Some(ended) = self.held.ended.get() {
            return Poll::Ready(ended);
        }
        match &mut *self.held.waker.borrow_mut() {
            Some(waker) => waker.clone_from(context.waker()),
            empty => *empty = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.tenures.held.borrow_mut().try_remove(self.key);
    }
}
