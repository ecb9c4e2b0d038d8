//! Passwords that were right a moment ago.
//!
//! Scripts send HTTP Basic with each call, and each password hash costs tens of milliseconds. Only
//! a keyed hash is kept, of the name, the password and the user's stored hash together: a changed
//! password is forgotten with the change, and the key never leaves the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand::SystemRandom;

use crate::model::clock::Moment;
use crate::model::secret::Secret;

/// A script's run of calls costs one password hash a minute.
const LIFETIME: Duration = Duration::from_mins(1);

/// The most passwords that are remembered; the oldest make room. Each takes some 50 bytes.
const MOST: usize = 1024;

type PasswordMark = [u8; 32];

/// A password of a user, with the hash that it fits.
#[derive(Debug)]
pub(super) struct RememberedPlace<'p> {
    pub(super) name: &'p str,
    pub(super) password: &'p Secret,
    pub(super) hash: &'p Secret,
}

/// The marks of right passwords, each with the end of its time.
#[derive(Debug, Default)]
pub(super) struct RememberedPasswords {
    /// A random key of this process; `None` without random numbers, and then nothing is remembered.
    key: OnceLock<Option<hmac::Key>>,
    marks: Mutex<HashMap<PasswordMark, Moment>>,
}

impl RememberedPasswords {
    pub(super) fn holds(&self, place: &RememberedPlace<'_>, now: Moment) -> bool {
        let Some(mark) = self.mark(place) else { return false };
        self.lock().get(&mark).is_some_and(|end| now < *end)
    }

    pub(super) fn remember(&self, place: &RememberedPlace<'_>, now: Moment) {
        let Some(mark) = self.mark(place) else { return };
        let mut marks = self.lock();
        if marks.len() >= MOST {
            marks.retain(|_, end| now < *end);
        }
        if marks.len() >= MOST
            && let Some(oldest) = marks.iter().min_by_key(|(_, end)| **end).map(|(mark, _)| *mark)
        {
            marks.remove(&oldest);
        }
        marks.insert(mark, now.after(LIFETIME));
    }

    fn mark(&self, place: &RememberedPlace<'_>) -> Option<PasswordMark> {
        let key =
            self.key.get_or_init(|| hmac::Key::generate(HMAC_SHA256, &SystemRandom::new()).ok());
        let mut context = hmac::Context::with_key(key.as_ref()?);
        for part in [place.name, place.password.reveal(), place.hash.reveal()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().try_into().ok()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PasswordMark, Moment>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_after_its_time_and_holds_a_bounded_number() {
        let (known, hash) = (RememberedPasswords::default(), Secret::new("$argon2id$".to_owned()));
        let password = Secret::new("secret".to_owned());
        let place = |name: &'static str| RememberedPlace { name, password: &password, hash: &hash };
        let numbered = |number: usize, now| {
            let name = format!("user {number}");
            let place = RememberedPlace { name: &name, password: &password, hash: &hash };
            known.remember(&place, now);
            known.holds(&place, Moment(5000))
        };
        known.remember(&place("ann"), Moment(0));
        assert!(known.holds(&place("ann"), Moment(59_999)));
        assert!(!known.holds(&place("ann"), Moment(60_000)));
        assert!(!known.holds(&place("bob"), Moment(0)));
        let other = Secret::new("Secret".to_owned());
        assert!(!known.holds(&RememberedPlace { password: &other, ..place("ann") }, Moment(0)));
        for number in 0..2 * MOST {
            assert!(numbered(number, Moment(1 + number as u64)));
        }
        assert_eq!(known.len(), MOST);
        let first = RememberedPlace { name: "user 0", password: &password, hash: &hash };
        assert!(!known.holds(&first, Moment(5000)), "the oldest made room");
    }
}
