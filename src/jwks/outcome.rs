//! The outcomes of a fetch, and of asking for one.

use std::fmt;

use crate::jwks::schedule::Moment;

/// The reason for which newer keys are requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefetchCause {
    UnknownKey,
    BadSignature,
    NoKeys,
}

/// The outcome of asking for newer keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refetched {
    Changed,
    /// The keys were fetched since the request arrived, and are the same.
    Unchanged,
    /// These keys are not fetched, or this cause gets no fetch now.
    NotAllowed,
    Failed,
    TimedOut,
    /// The next fetch that `jwks_min_refetch` allows comes after the request's deadline.
    TooLate,
    /// Too many requests wait already, or too many of this address.
    Crowded,
}

impl Refetched {
    /// The results that are counted, in the order of [`Refetched::position`].
    pub(super) const LABELS: [&'static str; 6] =
        ["changed", "unchanged", "failed", "timed_out", "too_late", "crowded"];

    pub(super) fn position(self) -> Option<usize> {
        match self {
            Self::Changed => Some(0),
            Self::Unchanged => Some(1),
            Self::Failed => Some(2),
            Self::TimedOut => Some(3),
            Self::TooLate => Some(4),
            Self::Crowded => Some(5),
            Self::NotAllowed => None,
        }
    }
}

/// The end of the last finished fetch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WaitOutcomes {
    /// The beginning of the last fetch that has ended, and of the last good one.
    pub(super) last_began: Option<Moment>,
    pub(super) last_good_began: Option<Moment>,
    pub(super) ending: FetchEnding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum FetchEnding {
    /// No fetch has ended yet.
    #[default]
    Pending,
    Changed,
    Unchanged,
    Failed,
}

impl WaitOutcomes {
    /// Returns the outcome for a request that arrived then, if a fetch that ended decides it.
    pub(super) fn answers(&self, arrived: Moment) -> Option<Refetched> {
        let since = |began: Option<Moment>| began.is_some_and(|began| began >= arrived);
        if since(self.last_good_began) {
            Some(Refetched::Unchanged)
        } else if since(self.last_began) {
            Some(Refetched::Failed)
        } else {
            None
        }
    }
}

impl fmt::Display for RefetchCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKey => "a token with an unknown kid",
            Self::BadSignature => "a token with a bad signature",
            Self::NoKeys => "a token, and no keys yet",
        })
    }
}
