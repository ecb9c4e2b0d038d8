//! Checks passwords: a few at a time, and none of an address that guesses.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use tokio::sync::Semaphore;

use crate::budget::shares::SourceShare;
use crate::budget::{ClaimedClient, ClientSource, Shares, SourceBudgets};
use crate::model::clock::{Clock, Moment, UnixSeconds};
use crate::model::rate::Rate;
use crate::model::secret::Secret;
use crate::sign_in::remembered::{RememberedPasswords, RememberedPlace};
use crate::telemetry::{ManagementCounters, SignIn};

/// The password hashes that are computed at a time: each is slow on purpose.
const HASHES_AT_A_TIME: usize = 2;

/// The most callers whose passwords are checked or wait for it. One address gets at most as many
/// places as are still free.
const MOST_CALLERS: usize = 16;

/// The wrong passwords that one address may send in a minute.
const WRONG_PASSWORDS: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Accounts that one address may ask for in an hour: a class behind one address gets in within an
/// hour, and a program fills no store.
const SIGN_UPS: Rate =
    Rate { requests: NonZeroU32::new(30).unwrap(), per: Duration::from_hours(1) };

/// A hash for names without a user. It costs as much as a hash of this gateway.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$\
                     9sXBtbEJ8sOlSPlhQ5yuKqYbXcmCRVHfqOSZBTCS9kc";

/// The reason why a password was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordFault {
    /// The name is unknown, or the password is wrong.
    Wrong,
    /// The address sent too many wrong passwords; it must wait this many seconds.
    Guessing { retry_after: u32 },
    /// Too many passwords are being checked.
    Busy,
}

/// The check of passwords, shared by all listeners with sign-in.
#[derive(Debug)]
pub struct PasswordChecks {
    hashes: Semaphore,
    callers: Shares,
    wrong: SourceBudgets,
    sign_ups: SourceBudgets,
    remembered: RememberedPasswords,
    clock: Arc<dyn Clock>,
    counters: Arc<ManagementCounters>,
}

/// A place among the callers whose passwords are checked.
#[derive(Debug)]
pub struct PasswordTurn<'c> {
    checks: &'c PasswordChecks,
    peer: IpAddr,
    _place: SourceShare<'c>,
}

impl PasswordChecks {
    pub fn new(clock: Arc<dyn Clock>, counters: Arc<ManagementCounters>) -> Self {
        Self {
            hashes: Semaphore::new(HASHES_AT_A_TIME),
            callers: Shares::new(MOST_CALLERS),
            wrong: SourceBudgets::default(),
            sign_ups: SourceBudgets::default(),
            remembered: RememberedPasswords::default(),
            clock,
            counters,
        }
    }

    /// Gives an address a turn, unless it guesses or has too many already.
    pub fn turn(&self, peer: IpAddr) -> Result<PasswordTurn<'_>, PasswordFault> {
        let (client, rate) = (ClaimedClient::of(peer), Rate::a_minute(WRONG_PASSWORDS));
        if let Err(exhausted) = self.wrong.check(client, rate, self.clock.moment()) {
            self.counters.signed_in(SignIn::Refused);
            return Err(PasswordFault::Guessing { retry_after: exhausted.retry_after });
        }
        let place = self.callers.take(Some(ClientSource::of(peer))).ok_or_else(|| self.busy())?;
        Ok(PasswordTurn { checks: self, peer, _place: place })
    }

    /// Lets an address request an account, unless it requested many.
    pub fn may_sign_up(&self, peer: IpAddr) -> Result<(), PasswordFault> {
        let charged =
            self.sign_ups.try_charge(ClaimedClient::of(peer), SIGN_UPS, self.clock.moment());
        charged
            .map(|_| ())
            .map_err(|exhausted| PasswordFault::Guessing { retry_after: exhausted.retry_after })
    }

    pub fn counters(&self) -> &Arc<ManagementCounters> {
        &self.counters
    }

    pub fn now(&self) -> UnixSeconds {
        self.clock.now()
    }

    /// Milliseconds since 1970.
    pub fn milliseconds(&self) -> u64 {
        self.clock.milliseconds()
    }

    pub fn moment(&self) -> Moment {
        self.clock.moment()
    }

    /// Hashes a new password with the parameters of `argon2`'s authors.
    pub async fn hash(&self, password: Secret) -> Result<Secret, PasswordFault> {
        let _hash = self.hashes.acquire().await.map_err(|_| self.busy())?;
        let hashed = tokio::task::spawn_blocking(move || {
            let salt = SaltString::generate(&mut OsRng);
            let hash = Argon2::default().hash_password(password.reveal().as_bytes(), &salt).ok()?;
            Some(Secret::new(hash.to_string()))
        });
        hashed.await.ok().flatten().ok_or_else(|| self.busy())
    }

    pub fn succeeded(&self) {
        self.counters.signed_in(SignIn::Succeeded);
    }

    /// Counts and logs a sign-in that failed.
    pub fn failed(&self, peer: IpAddr, user: Option<&str>, why: &str) {
        self.counters.signed_in(SignIn::Failed);
        let user = user.map(shown);
        tracing::warn!(
            target: "portcullis::management",
            client = %peer,
            user,
            why,
            "sign-in failed"
        );
    }

    /// Counts a token that was refused. Tokens end all the time, so the log stays quiet.
    pub fn refused_token(&self) {
        self.counters.signed_in(SignIn::Failed);
    }

    fn busy(&self) -> PasswordFault {
        self.counters.signed_in(SignIn::Refused);
        PasswordFault::Busy
    }
}

impl PasswordTurn<'_> {
    /// Compares a password with the hash of a user. If there is no such user, the answer takes the
    /// time of `decoy` or of a hash of this gateway, so that a caller cannot find out which users
    /// exist.
    pub async fn verify(
        self,
        name: &str,
        password: Secret,
        hash: Option<&Secret>,
        decoy: Option<&Secret>,
    ) -> Result<(), PasswordFault> {
        let checks = self.checks;
        let now = checks.clock.moment();
        let known = hash.map(|hash| RememberedPlace { name, password: &password, hash });
        if known.as_ref().is_some_and(|place| checks.remembered.holds(place, now)) {
            return Ok(());
        }
        let is_right = {
            let _hash = checks.hashes.acquire().await.map_err(|_| checks.busy())?;
            let compared = hash.or(decoy).map_or(DECOY, |hash| hash.reveal()).to_owned();
            let given = password.clone();
            let checked = tokio::task::spawn_blocking(move || {
                let hash = PasswordHash::new(&compared).ok()?;
                Argon2::default().verify_password(given.reveal().as_bytes(), &hash).ok()
            });
            checked.await.ok().flatten().is_some()
        };
        match known {
            Some(place) if is_right => {
                checks.remembered.remember(&place, checks.clock.moment());
                Ok(())
            }
            _ => Err(self.wrong(name, "unknown user or wrong password")),
        }
    }

    /// Notes a wrong password, or another secret that its owner knows.
    pub fn wrong(self, name: &str, why: &str) -> PasswordFault {
        let checks = self.checks;
        let (client, rate) = (ClaimedClient::of(self.peer), Rate::a_minute(WRONG_PASSWORDS));
        let _ = checks.wrong.charge(client, rate, checks.clock.moment());
        checks.failed(self.peer, Some(name), why);
        PasswordFault::Wrong
    }
}

/// Returns a caller's user name for the log: short, and without control characters.
pub fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::UnixSeconds;

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> UnixSeconds {
            UnixSeconds(1_700_000_000)
        }
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn checks() -> PasswordChecks {
        PasswordChecks::new(Arc::new(Still), Arc::default())
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    async fn verify(
        checks: &PasswordChecks,
        password: &str,
        hash: Option<&Secret>,
    ) -> Result<(), PasswordFault> {
        checks.turn(PEER)?.verify("ann", secret(password), hash, None).await
    }

    #[tokio::test]
    async fn a_password_is_remembered_until_it_is_changed() {
        let checks = checks();
        let first = checks.hash(secret("one")).await.unwrap();
        assert_eq!(verify(&checks, "one", Some(&first)).await, Ok(()));
        assert_eq!(checks.remembered.len(), 1);
        assert_eq!(verify(&checks, "one", Some(&first)).await, Ok(()));
        let second = checks.hash(secret("two")).await.unwrap();
        assert_eq!(verify(&checks, "one", Some(&second)).await, Err(PasswordFault::Wrong));
        assert_eq!(verify(&checks, "one", None).await, Err(PasswordFault::Wrong), "it is gone");
        assert_eq!(verify(&checks, "two", Some(&second)).await, Ok(()));
    }

    #[tokio::test]
    async fn nobody_is_let_in_by_the_decoy() {
        let checks = checks();
        assert!(PasswordHash::new(DECOY).is_ok(), "it costs time");
        for _ in 0..10 {
            assert_eq!(verify(&checks, "any", None).await, Err(PasswordFault::Wrong));
        }
        let guessing = verify(&checks, "any", None).await;
        assert!(matches!(guessing, Err(PasswordFault::Guessing { .. })), "{guessing:?}");
        assert_eq!(checks.remembered.len(), 0);
    }
}
