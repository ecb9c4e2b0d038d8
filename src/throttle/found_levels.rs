//! The levels that were found for a request: its own, or those of all requests of its token.

use std::rc::Rc;

use http::HeaderValue;
use smallvec::SmallVec;

use crate::authenticate::SharedLevels;
use crate::limiter::counters::LockOrder;
use crate::snapshot::Level;

/// Levels that need no allocation.
pub(super) const INLINE: usize = 6;

/// The levels of one request.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it stays in the exchange, and a request without a token allocates nothing either"
)]
pub(super) enum FoundLevels {
    /// They were found for this request alone.
    Own(OwnLevels),
    /// They were found for a request of the same token.
    Shared(Rc<SharedLevels>),
}

#[derive(Debug, Default)]
pub(super) struct OwnLevels {
    pub(super) levels: SmallVec<[Level; INLINE]>,
    /// The order in which their counters are locked.
    pub(super) order: LockOrder,
    /// The value of `RateLimit-Policy`. `None` if clients are told of none of the levels.
    pub(super) told: Option<HeaderValue>,
}

impl Default for FoundLevels {
    fn default() -> Self {
        Self::Own(OwnLevels::default())
    }
}

impl FoundLevels {
    pub(super) fn all(&self) -> &[Level] {
        match self {
            Self::Own(own) => &own.levels,
            Self::Shared(shared) => &shared.levels,
        }
    }

    pub(super) fn order(&self) -> &LockOrder {
        match self {
            Self::Own(own) => &own.order,
            Self::Shared(shared) => &shared.order,
        }
    }

    /// The value of `RateLimit-Policy`.
    pub(super) fn told(&self) -> Option<&HeaderValue> {
        match self {
            Self::Own(own) => own.told.as_ref(),
            Self::Shared(shared) => shared.told.as_ref(),
        }
    }
}
