//! Verdicts on tokens seen before: a lookup instead of a signature check.
//!
//! Each worker has its own cache, so nothing is shared and nothing is locked. The key is the whole
//! token, byte for byte: no digest that could collide, no `jti` that two issuers may share. The
//! cache is bounded in bytes. Only verified tokens are kept, so forged ones cannot push good ones
//! out. The caller checks at each use whether a verdict still holds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use quick_cache::unsync::Cache;
use quick_cache::{Lifecycle, Weighter};

use crate::authenticate::budgets::Budgets;
use crate::authenticate::principal::Verdict;
use crate::authenticate::proofs::{ProofMark, Proofs};
use crate::introspect::IntrospectionAnswer;
use crate::jwt::KeySet;
use crate::key_managers::CompiledKeyManager;
use crate::model::clock::Moment;
use crate::revocation::Revocations;
use crate::revocation::record::Mark;
use crate::telemetry::WorkerCounters;
use crate::telemetry::refusals::Refusals;

/// The most forged tokens that one worker remembers, by the beginning of a SHA-256.
const MOST_FORGED: usize = 16_384;

type Verdicts =
    Cache<Box<[u8]>, Rc<Verdict>, ByBytes, foldhash::quality::RandomState, EvictionCounter>;

/// One worker's verdicts.
pub struct TokenCache {
    /// `None` if no verdicts are remembered.
    verdicts: Option<RefCell<Verdicts>>,
    counters: Arc<WorkerCounters>,
    proofs: Arc<Proofs>,
    revocations: Arc<Revocations>,
    budgets: Arc<Budgets>,
    /// The monotonic time, as coarse as the worker's ticks: no request reads a clock for it.
    moment: Cell<Moment>,
    /// Tokens with a bad signature, with the keys that found it bad. A client that repeats one
    /// costs a lookup.
    forged: RefCell<Cache<Mark, KeySetMark>>,
    /// The answer that a request waited for, where answers are not kept.
    answered: RefCell<Option<Answered>>,
    /// The proof of the request that was just decided, to be shared with the other gateways.
    claim: Cell<Option<ProofMark>>,
}

/// The knowledge that all workers share.
#[derive(Debug, Clone)]
pub struct Common {
    pub proofs: Arc<Proofs>,
    pub revocations: Arc<Revocations>,
    pub budgets: Arc<Budgets>,
    /// The refusals that `explain` can find by id.
    pub refusals: Arc<Refusals>,
}

impl Common {
    /// Makes a cache that shares nothing: for `explain`, tests and benches.
    pub fn alone() -> Self {
        Self {
            proofs: Arc::new(Proofs::new(&[0; 32])),
            revocations: Arc::new(Revocations::in_memory()),
            budgets: Arc::default(),
            refusals: Arc::default(),
        }
    }
}

/// The digest of a key set's keys.
type KeySetMark = [u8; 32];

/// A server's answer, with its key manager and its token.
type Answered = (Arc<CompiledKeyManager>, Box<[u8]>, IntrospectionAnswer);

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Box<[u8]>, Rc<Verdict>> for ByBytes {
    fn weight(&self, _: &Box<[u8]>, verdict: &Rc<Verdict>) -> u64 {
        verdict.bytes()
    }
}

/// Counts the verdicts that made room for others.
#[derive(Debug, Clone)]
struct EvictionCounter(Arc<WorkerCounters>);

impl Lifecycle<Box<[u8]>, Rc<Verdict>> for EvictionCounter {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Box<[u8]>, _: Rc<Verdict>) {
        self.0.token_cache_evicted(1);
    }
}

impl TokenCache {
    /// Makes a cache of at most `bytes`, or none; all workers share `common`.
    pub fn new(bytes: u64, counters: Arc<WorkerCounters>, common: Common) -> Self {
        const USUAL_WEIGHT: u64 = 2560;
        let Common { proofs, revocations, budgets, refusals: _ } = common;
        let items = usize::try_from(bytes.div_ceil(USUAL_WEIGHT)).unwrap_or(usize::MAX);
        let hasher = foldhash::quality::RandomState::default();
        let verdicts = (bytes > 0).then(|| {
            RefCell::new(Cache::with(
                items,
                bytes,
                ByBytes,
                hasher,
                EvictionCounter(Arc::clone(&counters)),
            ))
        });
        Self {
            verdicts,
            counters,
            proofs,
            revocations,
            budgets,
            moment: Cell::default(),
            answered: RefCell::default(),
            claim: Cell::default(),
            forged: RefCell::new(Cache::new(MOST_FORGED)),
        }
    }

    pub fn budgets(&self) -> &Arc<Budgets> {
        &self.budgets
    }

    /// The monotonic time of the worker's last tick.
    pub fn moment(&self) -> Moment {
        self.moment.get()
    }

    pub fn set_moment(&self, moment: Moment) {
        self.moment.set(moment);
    }

    /// Tells whether these keys have found the token forged before.
    pub(super) fn is_forged(&self, token: &[u8], keys: &KeySet) -> bool {
        let forged = self.forged.borrow();
        let known =
            !forged.is_empty() && forged.get(&Mark::of_token(token)) == Some(&keys.fingerprint());
        if known {
            self.counters.forged_token(true);
        }
        known
    }

    pub(super) fn remember_forged(&self, token: &[u8], keys: &KeySet) {
        self.counters.forged_token(false);
        self.forged.borrow_mut().insert(Mark::of_token(token), keys.fingerprint());
    }

    pub(super) fn claim_later(&self, mark: ProofMark) {
        self.claim.set(Some(mark));
    }

    /// The proof that the decision just made has used, if other gateways remember proofs too.
    pub fn take_claim(&self) -> Option<ProofMark> {
        self.claim.take()
    }

    /// Hands an answer over to the decision that follows at once.
    pub fn hand_over(
        &self,
        key_manager: &Arc<CompiledKeyManager>,
        token: &[u8],
        answer: IntrospectionAnswer,
    ) {
        *self.answered.borrow_mut() = Some((Arc::clone(key_manager), token.into(), answer));
    }

    pub(super) fn just_answered(
        &self,
        key_manager: &Arc<CompiledKeyManager>,
        token: &[u8],
    ) -> Option<IntrospectionAnswer> {
        let mut answered = self.answered.borrow_mut();
        let own = answered
            .as_ref()
            .is_some_and(|(of, about, _)| Arc::ptr_eq(of, key_manager) && **about == *token);
        if own { answered.take().map(|(_, _, answer)| answer) } else { None }
    }

    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// Finds a verdict that still holds by `stands`. A verdict that does not is removed.
    pub(super) fn find(
        &self,
        token: &[u8],
        stands: impl FnOnce(&Verdict) -> bool,
    ) -> Option<Rc<Verdict>> {
        let verdicts = self.verdicts.as_ref()?;
        let known = verdicts.borrow().get(token).map(Rc::clone);
        let found = match known {
            Some(verdict) if !stands(&verdict) => {
                let mut verdicts = verdicts.borrow_mut();
                verdicts.remove(token);
                self.counters.token_cache_holds(verdicts.len() as u64, verdicts.weight());
                None
            }
            known => known,
        };
        if found.is_some() {
            self.counters.token_cache_hit();
        } else {
            self.counters.token_cache_missed();
        }
        found
    }

    pub(super) fn keep(&self, token: &[u8], verdict: Verdict) -> Rc<Verdict> {
        let verdict = Rc::new(verdict);
        if let Some(verdicts) = &self.verdicts {
            let mut verdicts = verdicts.borrow_mut();
            verdicts.insert(token.into(), Rc::clone(&verdict));
            self.counters.token_cache_holds(verdicts.len() as u64, verdicts.weight());
        }
        verdict
    }
}

impl std::fmt::Debug for TokenCache {
    /// Tokens are never shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCache")
            .field("entries", &self.verdicts.as_ref().map(|verdicts| verdicts.borrow().len()))
            .finish_non_exhaustive()
    }
}
