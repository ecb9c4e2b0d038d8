//! Watches the proofs behind the token of a stream: the key that signed it, the server that called
//! it active, or both.
//!
//! Looks at keys only when the key manager has new ones. Asks the server again when its last answer
//! expires. Each key manager gets a few of these questions at a time, and a stream waits for its
//! turn.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use crate::authenticate::{self, Basis, IntrospectionCheck, Principal};
use crate::deadline::moment;
use crate::introspect::{IntrospectionAnswer, IntrospectionOutcome, Recheck};
use crate::jwks::KeyManagerKeys;
use crate::key_managers::CompiledKeyManager;
use crate::model::clock::{Moment, UnixSeconds};
use crate::proxy::stream::ended::{Ended, spread};
use crate::snapshot::Snapshot;

/// The time until a server that could not be asked is asked again.
const RETRY: Duration = Duration::from_secs(5);

/// The shortest time between the start of a stream and its first question.
const SHORTEST: Duration = Duration::from_secs(1);

/// The time for which a stream goes on while its server cannot be asked.
const LONGEST_SILENCE: Duration = Duration::from_mins(5);

/// The keys and the server that a stream's token depends on.
#[derive(Debug)]
pub(super) struct TokenWatch {
    /// The keys that the token's signature hangs on, and which of their generations was looked at.
    keys: Option<RefCell<Arc<KeyManagerKeys>>>,
    looked_at: Cell<u64>,
    server: Option<StreamIntrospection>,
}

/// The introspection of a token that is repeated while its stream lasts.
#[derive(Debug)]
struct StreamIntrospection {
    asking: IntrospectionCheck,
    next: Cell<Moment>,
    /// The time of the last answer.
    answered: Cell<Moment>,
    question: RefCell<Option<(Arc<CompiledKeyManager>, Recheck)>>,
    random: u64,
}

impl TokenWatch {
    pub(super) fn of(principal: &Principal, random: u64) -> Self {
        let key_manager = principal.key_manager();
        let generation = match principal.basis() {
            Basis::Signature { generation } | Basis::Confirmed { generation, .. } => {
                Some(generation)
            }
            Basis::Introspection { .. } => None,
        };
        let server = principal.asking().map(|asking| {
            let interval = key_manager
                .introspector
                .as_ref()
                .map_or(RETRY, |asked| asked.recheck_interval(asking.purpose));
            let now = moment();
            let first = asking.until.max(now.after(SHORTEST)).min(now.after(interval));
            StreamIntrospection {
                asking,
                next: Cell::new(later(first, now, random)),
                answered: Cell::new(now),
                question: RefCell::default(),
                random,
            }
        });
        Self {
            keys: generation.map(|_| RefCell::new(Arc::clone(&key_manager.keys))),
            looked_at: Cell::new(generation.unwrap_or_default()),
            server,
        }
    }

    /// Returns the reason for which the stream must end, if there is one. `changed` means that the
    /// snapshot, or a revocation, is new.
    pub(super) fn look(
        &self,
        principal: &Principal,
        snapshot: &Snapshot,
        changed: bool,
        times: (UnixSeconds, Moment),
    ) -> Option<Ended> {
        if let Some(keys) = &self.keys
            && !self.is_signed(keys, principal, snapshot, changed)
        {
            return Some(Ended::KeyWithdrawn);
        }
        self.server.as_ref()?.look(principal, snapshot, times)
    }

    fn is_signed(
        &self,
        keys: &RefCell<Arc<KeyManagerKeys>>,
        principal: &Principal,
        snapshot: &Snapshot,
        changed: bool,
    ) -> bool {
        if changed
            && let Some(found) = snapshot.same_named(principal.key_manager())
            && !Arc::ptr_eq(&found.keys, &keys.borrow())
        {
            *keys.borrow_mut() = Arc::clone(&found.keys);
            self.looked_at.set(u64::MAX);
        }
        let keys = keys.borrow();
        let state = keys.current();
        if state.generation == self.looked_at.get() {
            return true;
        }
        // without keys nothing is known to be withdrawn
        let Some(set) = &state.keys else { return true };
        self.looked_at.set(state.generation);
        set.contains(principal.claims().signed_by())
    }
}

impl StreamIntrospection {
    fn look(
        &self,
        principal: &Principal,
        snapshot: &Snapshot,
        times: (UnixSeconds, Moment),
    ) -> Option<Ended> {
        let outcome =
            self.question.borrow().as_ref().and_then(|(key_manager, recheck)| {
                Some((Arc::clone(key_manager), recheck.outcome()?))
            });
        if let Some((key_manager, outcome)) = outcome {
            self.question.borrow_mut().take();
            return self.answer(&key_manager, outcome, times);
        }
        if times.1 >= self.next.get() && self.question.borrow().is_none() {
            return self.ask(principal, snapshot, times);
        }
        None
    }

    fn ask(
        &self,
        principal: &Principal,
        snapshot: &Snapshot,
        (now, moment): (UnixSeconds, Moment),
    ) -> Option<Ended> {
        // the one that is in use now: its address or credentials may be new
        let key_manager = snapshot.same_named(principal.key_manager());
        let Some((key_manager, introspector)) =
            key_manager.as_ref().and_then(|found| Some((found, found.introspector.as_ref()?)))
        else {
            return self.silence(false, moment);
        };
        let token = self.asking.token.reveal().as_bytes();
        // all places are taken: it waits for its turn
        let recheck = introspector.recheck(token, self.asking.purpose, now)?;
        *self.question.borrow_mut() = Some((Arc::clone(key_manager), recheck));
        None
    }

    fn answer(
        &self,
        key_manager: &Arc<CompiledKeyManager>,
        outcome: IntrospectionOutcome,
        (now, moment): (UnixSeconds, Moment),
    ) -> Option<Ended> {
        let purpose = self.asking.purpose;
        let introspector = key_manager.introspector.as_ref();
        match outcome {
            IntrospectionOutcome::Answered(IntrospectionAnswer::Unconfirmed(_)) => {
                self.silence(true, moment)
            }
            IntrospectionOutcome::Answered(answer)
                if authenticate::check_answer(key_manager, &answer, purpose, now).is_ok() =>
            {
                self.answered.set(moment);
                let interval = introspector.map_or(RETRY, |asked| asked.recheck_interval(purpose));
                self.next.set(later(moment.after(interval), moment, self.random));
                None
            }
            IntrospectionOutcome::Answered(_) => Some(Ended::Inactive),
            IntrospectionOutcome::Unavailable(_) | IntrospectionOutcome::Spared(..) => {
                let allowed = introspector.is_some_and(|asked| asked.allows_silence(purpose));
                self.silence(allowed, moment)
            }
        }
    }

    /// Notes that the server could not be asked. The stream goes on for a while.
    fn silence(&self, allowed: bool, now: Moment) -> Option<Ended> {
        self.next.set(later(now.after(RETRY), now, self.random));
        let silent = now.since(self.answered.get());
        (!allowed && silent > LONGEST_SILENCE).then_some(Ended::Unconfirmed)
    }
}

/// Returns a moment a little later, so that not all questions come at once.
fn later(at: Moment, now: Moment, random: u64) -> Moment {
    Moment(spread(at.0, now.0, random))
}
