//! One worker's handle on the limits: a reference count and header values that only this thread
//! touches.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use foldhash::fast::RandomState;
use http::HeaderValue;

use crate::snapshot::throttling::{CompiledThrottling, LimitNumber};

/// The bits that a limit's number has in the name of a combination: five limits have room in it.
const BITS: u32 = 12;

/// Combinations that are kept. A gateway has few: an API's policy, a subscription's, an
/// application's.
const MOST_COMBINATIONS: usize = 4096;

/// The limits, as one worker holds them.
#[derive(Debug)]
pub struct LocalThrottling {
    compiled: Arc<CompiledThrottling>,
    /// The first generation that had these limits.
    generation: u64,
    /// `RateLimit-Policy` of the limits that requests had together.
    told: RefCell<HashMap<u64, HeaderValue, RandomState>>,
}

impl LocalThrottling {
    pub fn new(compiled: Arc<CompiledThrottling>, generation: u64) -> Self {
        Self { compiled, generation, told: RefCell::default() }
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn is_of(&self, compiled: &Arc<CompiledThrottling>) -> bool {
        Arc::ptr_eq(&self.compiled, compiled)
    }

    /// Returns the value of `RateLimit-Policy` for these limits together, made once. `None` if
    /// there are no limits.
    pub fn told(&self, limits: impl Iterator<Item = LimitNumber> + Clone) -> Option<HeaderValue> {
        let named = limits.clone().try_fold(0_u64, |name, limit| {
            let number = u64::from(limit.get()) + 1;
            (number < 1 << BITS && name.leading_zeros() >= BITS).then_some(name << BITS | number)
        });
        let Some(name) = named else { return self.join(limits) };
        if name == 0 {
            return None;
        }
        let mut told = self.told.borrow_mut();
        if let Some(value) = told.get(&name) {
            return Some(value.clone());
        }
        if told.len() >= MOST_COMBINATIONS {
            told.clear();
        }
        let value = self.join(limits)?;
        told.insert(name, value.clone());
        Some(value)
    }

    fn join(&self, limits: impl Iterator<Item = LimitNumber>) -> Option<HeaderValue> {
        let mut text = Vec::new();
        for limit in limits.filter_map(|number| self.compiled.limit(number)?.compiled()) {
            if !text.is_empty() {
                text.extend_from_slice(b", ");
            }
            text.extend_from_slice(limit.header.as_bytes());
        }
        HeaderValue::try_from(text).ok().filter(|text| !text.is_empty())
    }
}

impl Deref for LocalThrottling {
    type Target = CompiledThrottling;

    fn deref(&self) -> &CompiledThrottling {
        &self.compiled
    }
}
