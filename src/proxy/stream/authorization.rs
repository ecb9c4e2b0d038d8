//! Ends streams and upgraded connections when their token expires, their right is withdrawn, or
//! their connection is drained.
//!
//! Decides on the snapshot that is in use now, and only if the snapshot is new or the time has
//! come. A reload that does not concern a stream leaves it alone. If the key manager of a stream
//! has new keys and the key that signed its token is not among them, the stream ends. If a server
//! was asked about the token, the gateway asks it again in the background while the stream lasts.
//! [`token_watch`] knows the key or the server behind a token, and whether it still vouches for the
//! token.

mod token_watch;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;

use crate::authenticate::Principal;
use crate::authorize;
use crate::deadline::{moment, ticks};
use crate::model::api::Lifecycle;
use crate::model::application::KeyType;
use crate::model::clock::UnixSeconds;
use crate::model::names::{ApiName, ApiSlot, Version};
use crate::proxy::connection::Connection;
use crate::proxy::stream::authorization::token_watch::TokenWatch;
use crate::proxy::stream::ended::{Ended, spread};
use crate::revocation::Revocations;
use crate::snapshot::Snapshot;

/// The time for the streams of a removed listener to go: the default of `drain_timeout`.
const LEAVE_WITHIN: Duration = Duration::from_secs(20);

/// The time at which a stream is told to end while its connection is drained. The ends are spread,
/// so that not all clients connect again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// In the first quarter of the time, for a WebSocket: it never ends by itself, and its client
    /// is told the reason.
    Early,
    /// In the third quarter, for an event stream or a call: it may end by itself until then.
    Late,
}

/// The grant on which a stream goes on.
#[derive(Debug)]
pub struct StreamGrant {
    pub principal: Principal,
    pub api: ApiName,
    pub version: Version,
    pub key_type: KeyType,
    /// It began although it broke a rule that is only observed.
    pub observed: bool,
}

/// The streams of one worker.
#[derive(Debug, Default)]
pub struct StreamAuthorizations {
    held: RefCell<Slab<Rc<HeldStream>>>,
    /// The generations of the snapshot and of the revocations that were looked at last.
    generation: Cell<(u64, u64)>,
    /// The time that a drain may take, in ticks.
    leave_within: Cell<Option<u64>>,
}

#[derive(Debug)]
struct HeldStream {
    /// `None` if no token opened it, or if it may outlive its token.
    grant: Option<(StreamGrant, TokenWatch)>,
    /// The expiry in milliseconds since 1970; the largest number if the token has none.
    until: u64,
    connection: Rc<Connection>,
    departure: Departure,
    random: u64,
    /// The tick at which it ends because its connection is drained.
    leaves: Cell<Option<u64>>,
    ended: Cell<Option<Ended>>,
    waker: RefCell<Option<Waker>>,
}

/// The authorization of one stream. Dropping it ends the watch.
#[derive(Debug)]
pub struct StreamAuthorization {
    streams: Rc<StreamAuthorizations>,
    held: Rc<HeldStream>,
    key: usize,
}

impl StreamAuthorizations {
    /// Watches over a stream from now (milliseconds since 1970) on. `random` spreads the ends.
    pub fn hold(
        self: &Rc<Self>,
        grant: Option<StreamGrant>,
        (connection, departure): (Rc<Connection>, Departure),
        now: u64,
        random: u64,
    ) -> StreamAuthorization {
        // an answer without an end is asked for again, and ends nothing by itself
        let claims = grant.as_ref().map(|grant| grant.principal.claims());
        let until = claims.filter(|claims| claims.states_expiry()).map_or(u64::MAX, |claims| {
            spread(claims.expires_at().0.saturating_mul(1000), now, random)
        });
        let grant = grant.map(|grant| {
            let vouched = TokenWatch::of(&grant.principal, random);
            (grant, vouched)
        });
        let held = Rc::new(HeldStream {
            grant,
            until,
            connection,
            departure,
            random,
            leaves: Cell::new(None),
            ended: Cell::new(None),
            waker: RefCell::default(),
        });
        let key = self.held.borrow_mut().insert(Rc::clone(&held));
        StreamAuthorization { streams: Rc::clone(self), held, key }
    }

    /// Notes that the worker is drained within this time.
    pub fn leave_within(&self, time: Duration) {
        self.leave_within.set(Some(ticks(time)));
    }

    /// Ends the streams whose time has come; the worker's tick calls it. `now` is in milliseconds
    /// since 1970, `tick` is the worker's time.
    pub fn sweep(&self, snapshot: &Snapshot, revocations: &Revocations, now: u64, tick: u64) {
        let newest = (snapshot.generation, revocations.generation());
        let changed = self.generation.replace(newest) != newest;
        let mut apis = HashMap::new();
        let mut over = Vec::new();
        let times = (UnixSeconds(now / 1000), moment());
        let leave_within = self.leave_within.get().unwrap_or_else(|| ticks(LEAVE_WITHIN));
        for (_, held) in self.held.borrow().iter() {
            if held.until <= now {
                over.push((Rc::clone(held), Ended::TokenExpired));
            } else if held.leaves(tick, leave_within) {
                over.push((Rc::clone(held), Ended::GoingAway));
            }
            let Some((grant, vouched)) = &held.grant else { continue };
            let principal = &grant.principal;
            if let Some(why) = vouched.look(principal, snapshot, changed, times) {
                over.push((Rc::clone(held), why));
            } else if changed
                && principal.revoked_by(revocations, None, UnixSeconds(now / 1000)).is_some()
            {
                over.push((Rc::clone(held), Ended::Revoked));
            } else if changed && !still_holds(snapshot, grant, &mut apis) {
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

impl HeldStream {
    /// Tells whether the stream must end because its connection is drained. Streams end one after
    /// the other, spread over the drain time.
    fn leaves(&self, tick: u64, within: u64) -> bool {
        if !self.connection.is_draining() {
            return false;
        }
        let at = self.leaves.get().unwrap_or_else(|| {
            let at = tick.saturating_add(self.departure.after(within, self.random));
            self.leaves.set(Some(at));
            at
        });
        at <= tick
    }
}

impl Departure {
    /// Returns the time that a stream may stay in a drain of this length, in ticks.
    fn after(self, within: u64, random: u64) -> u64 {
        let quarter = within / 4;
        let jitter = random.checked_rem(quarter.saturating_add(1)).unwrap_or_default();
        match self {
            Self::Early => jitter,
            Self::Late => quarter.saturating_mul(2).saturating_add(jitter),
        }
    }
}

/// Tells whether a new request with the same token would still find its API and its subscription.
fn still_holds<'r>(
    snapshot: &Snapshot,
    grant: &'r StreamGrant,
    apis: &mut HashMap<(&'r str, &'r str), Option<ApiSlot>>,
) -> bool {
    let (name, version) = (grant.api.as_str(), grant.version.as_str());
    let index = *apis.entry((name, version)).or_insert_with(|| {
        let found = snapshot.routes.apis.iter().find(|api| {
            api.definition.name == grant.api && api.definition.version == grant.version
        });
        found.map(|api| api.slot)
    });
    let Some(api) = index.and_then(|index| snapshot.api(index)) else { return false };
    if matches!(api.definition.lifecycle, Lifecycle::Blocked | Lifecycle::Retired) {
        return false;
    }
    let wanted = &grant.principal.key_manager().definition;
    let key_manager = snapshot.same_named(grant.principal.key_manager());
    let same = key_manager
        .filter(|found| found.definition.enabled && found.definition.issuer == wanted.issuer);
    same.is_some_and(|found| {
        api.takes(&found)
            && authorize::still(
                snapshot,
                api,
                &found,
                &grant.principal,
                grant.key_type,
                grant.observed,
            )
    })
}

impl StreamAuthorization {
    /// Ready when the stream must end.
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

impl Drop for StreamAuthorization {
    fn drop(&mut self) {
        self.streams.held.borrow_mut().try_remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_spreads_the_ends_and_leaves_time_after_the_last() {
        for random in 0..1000 {
            let (early, late) =
                (Departure::Early.after(400, random), Departure::Late.after(400, random));
            assert!(early <= 100 && (200..=300).contains(&late), "{random}: {early} {late}");
        }
        assert_eq!(Departure::Late.after(0, 7), 0);
    }
}
