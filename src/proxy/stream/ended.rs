//! The end of a stream's authorization: its reasons, and the times at which many of them come.

/// The share of the rest of a token's life by which its stream may end later, so that tokens that
/// expire together do not end their streams together. [`MOST_JITTER`] is the longest delay.
const JITTER_SHARE: u64 = 10;
const MOST_JITTER: u64 = 5_000;

/// The reason for which a stream must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    TokenExpired,
    Revoked,
    /// The key that signed the token is no longer one of its key manager's.
    KeyWithdrawn,
    /// The authorization server answered that the token is not active.
    Inactive,
    /// The authorization server could not be asked for too long.
    Unconfirmed,
    /// The application is blocked or unsubscribed, or the API or the key manager is gone.
    Withdrawn,
    /// The gateway stops, or the listener was removed.
    GoingAway,
}

impl Ended {
    /// Returns the message for the log, and for the peer if the protocol has room for it.
    pub fn message(self) -> &'static str {
        match self {
            Self::TokenExpired => "the token expired",
            Self::Revoked => "the token was revoked",
            Self::KeyWithdrawn => "the key that signed the token was withdrawn",
            Self::Inactive => "the authorization server says that the token is not active",
            Self::Unconfirmed => "the authorization server could not be asked about the token",
            Self::Withdrawn => "the right to call the API was withdrawn",
            Self::GoingAway => "the gateway is stopping",
        }
    }
}

/// Returns a moment a little later than this one, so that not all come at once.
pub(in crate::proxy) fn spread(at: u64, now: u64, random: u64) -> u64 {
    let most =
        at.saturating_sub(now).checked_div(JITTER_SHARE).unwrap_or_default().min(MOST_JITTER);
    at.saturating_add(random.checked_rem(most.saturating_add(1)).unwrap_or_default())
}
