//! The resets of an application's quotas.
//!
//! A reset does not empty counters, because gateways, servers and files have copies of them. The
//! number of the latest reset is part of a counter's name instead. So the counts under the former
//! name are not found any more, and end with their windows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::clock::UnixSeconds;
use crate::model::names::{InvalidName, check};

/// The longest name of a user: 255 characters, as OpenID Connect has it for `sub`.
const MOST_USER_BYTES: usize = 1020;

/// Users of one application who are remembered, so that its record stays small.
const MOST_RESET_USERS: usize = 200;

/// The longest window is a month. What was counted before it is over for every policy.
const LONGEST_COUNTED: u64 = 32 * 24 * 60 * 60;

/// The resets of one application. A number is the time of its reset in seconds since 1970, or one
/// more than the last number if that is higher: no number comes twice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QuotaResets {
    /// The number of the last reset of the whole application; 0 if there was none.
    #[serde(default)]
    all: u64,
    /// The highest number of all resets.
    #[serde(default)]
    latest: u64,
    /// The resets of single users since the last one of the whole application.
    #[serde(default)]
    users: BTreeMap<String, u64>,
}

/// A reset that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResetRefused {
    #[error("`userName` {0}")]
    User(InvalidName),
    #[error(
        "the counts of {MOST_RESET_USERS} users of this application were set back within a month; \
         leave `userName` out to set the counts of all users back"
    )]
    TooMany,
}

impl QuotaResets {
    /// Sets the counts of all users back.
    pub fn reset_all(&mut self, now: UnixSeconds) {
        self.all = self.next(now);
        self.users.clear();
    }

    /// Sets the counts of one user back.
    pub fn reset_user(&mut self, user: &str, now: UnixSeconds) -> Result<(), ResetRefused> {
        check(user, MOST_USER_BYTES).map_err(ResetRefused::User)?;
        let over = now.0.saturating_sub(LONGEST_COUNTED);
        self.users.retain(|_, number| *number > over);
        if self.users.len() >= MOST_RESET_USERS && !self.users.contains_key(user) {
            return Err(ResetRefused::TooMany);
        }
        let number = self.next(now);
        self.users.insert(user.to_owned(), number);
        Ok(())
    }

    /// The part of the name of the application's one counter: it counts all users, so each reset
    /// is a reset of it.
    pub fn of_application(&self) -> u128 {
        u128::from(self.latest)
    }

    /// The part of the name of a user's own counter; 0 if it was never set back.
    pub fn of_user(&self, user: &str) -> u128 {
        let own = self.users.get(user).copied().unwrap_or_default();
        u128::from(self.all) << u64::BITS | u128::from(own)
    }

    fn next(&mut self, now: UnixSeconds) -> u64 {
        self.latest = now.0.max(self.latest.saturating_add(1));
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reset_gives_names_that_never_were() {
        let mut resets = QuotaResets::default();
        assert_eq!((resets.of_application(), resets.of_user("ann")), (0, 0));
        let mut seen = std::collections::HashSet::from([0]);
        // a clock that stands still, and one that goes back
        for now in [100, 100, 50] {
            resets.reset_user("ann", UnixSeconds(now)).unwrap();
            assert!(seen.insert(resets.of_user("ann")));
            assert_eq!(resets.of_user("bob"), 0, "nobody else");
        }
        let before = resets.of_application();
        resets.reset_all(UnixSeconds(100));
        assert!(seen.insert(resets.of_user("ann")));
        assert_eq!(resets.of_user("bob"), resets.of_user("ann"));
        assert!(resets.of_application() > before);
        let text = serde_json::to_string(&resets).unwrap();
        assert_eq!(serde_json::from_str::<QuotaResets>(&text).unwrap(), resets);
    }

    #[test]
    fn users_are_remembered_for_a_month_and_bounded() {
        let mut resets = QuotaResets::default();
        for number in 0..MOST_RESET_USERS {
            resets.reset_user(&format!("user {number}"), UnixSeconds(1_000_000)).unwrap();
        }
        resets.reset_user("user 0", UnixSeconds(1_000_000)).unwrap();
        let more = resets.reset_user("one more", UnixSeconds(1_000_001));
        assert_eq!(more, Err(ResetRefused::TooMany));
        // numbers run ahead of a clock that stands still
        let later = UnixSeconds(1_000_000 + 2 * MOST_RESET_USERS as u64 + LONGEST_COUNTED);
        resets.reset_user("one more", later).unwrap();
        assert_eq!(resets.users.len(), 1);
        assert!(matches!(resets.reset_user("", later), Err(ResetRefused::User(_))));
        let long = "x".repeat(MOST_USER_BYTES + 1);
        assert!(matches!(resets.reset_user(&long, later), Err(ResetRefused::User(_))));
    }
}
