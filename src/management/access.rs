//! Decides which caller of the management listener has which right.
//!
//! If `management.users` are configured, the user's role decides (HTTP Basic). If none are, every
//! caller on this machine has every right, except a page in a browser and a caller behind a proxy,
//! whose address only looks local.
//!
//! Guessing passwords is slow: an address waits after ten wrong passwords in a minute, and the
//! gateway checks only a few passwords at a time.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordVerifier};
use http::{HeaderMap, header};
use tokio::sync::Semaphore;

use crate::budget::{ClaimedClient, ClientSource, Shares, SourceBudgets};
use crate::model::BasicCredentials;
use crate::model::clock::Clock;
use crate::model::gateway::{ManagementUser, UserRole};
use crate::model::rate::Rate;
use crate::model::secret::Secret;
use crate::telemetry::{ManagementCounters, SignIn};

/// Password hashes that are computed at a time: each is slow on purpose.
const HASHES_AT_A_TIME: usize = 2;

/// Callers whose passwords are checked or wait for it. One address gets at most as many places as
/// are still free.
const MOST_CALLERS: usize = 16;

/// Wrong passwords of one address in a minute.
const WRONG_PASSWORDS: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// The actor's name in the log for a caller on this machine, if no users are configured.
const LOCAL: &str = "(this machine)";

/// Header fields that only proxies send. A request with one of them did not start on this machine,
/// whatever its address.
const PROXY_FIELDS: [&str; 8] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "x-envoy-external-address",
];

/// The right that a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagementRight {
    /// The call changes something in the gateway.
    Operate,
    /// The call shows something about clients.
    View,
}

impl ManagementRight {
    fn is_held_by(self, role: UserRole) -> bool {
        match self {
            Self::Operate => matches!(role, UserRole::Admin | UserRole::Operator),
            Self::View => matches!(role, UserRole::Admin | UserRole::Operator | UserRole::Viewer),
        }
    }
}

/// A caller that has the right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    name: String,
}

impl Actor {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the actor for the control socket: the permissions of its folder have decided
    /// already.
    pub fn of_control_socket() -> Self {
        Self { name: "(control socket)".to_owned() }
    }
}

/// The reason why a caller is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAllowed {
    /// The caller sent no credentials, or wrong ones.
    Unknown,
    /// The user is known, but none of its roles has the right.
    Role,
    NotLocal,
    Browser,
    /// The address sent too many wrong passwords; it must wait this many seconds.
    Guessing {
        retry_after: u32,
    },
    /// Too many passwords are being checked.
    Busy,
}

/// The check that every management call passes.
#[derive(Debug)]
pub struct Access {
    users: Arc<[ManagementUser]>,
    hashes: Semaphore,
    callers: Shares,
    wrong: SourceBudgets,
    clock: Arc<dyn Clock>,
    counters: Arc<ManagementCounters>,
}

impl Access {
    pub fn new(
        users: Vec<ManagementUser>,
        clock: Arc<dyn Clock>,
        counters: Arc<ManagementCounters>,
    ) -> Self {
        Self {
            users: users.into(),
            hashes: Semaphore::new(HASHES_AT_A_TIME),
            callers: Shares::new(MOST_CALLERS),
            wrong: SourceBudgets::default(),
            clock,
            counters,
        }
    }

    /// Lets a caller in that has the right.
    pub async fn enter(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        right: ManagementRight,
    ) -> Result<Actor, NotAllowed> {
        refuse_browsers(headers)?;
        if self.users.is_empty() {
            return local(headers, peer);
        }
        self.sign_in(headers, peer, right).await
    }

    /// Lets a caller in that may reload: one on this machine, or a user with the right to operate.
    pub async fn enter_reload(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Actor, NotAllowed> {
        refuse_browsers(headers)?;
        let anonymous = !headers.contains_key(header::AUTHORIZATION);
        match local(headers, peer) {
            Ok(actor) if anonymous || self.users.is_empty() => Ok(actor),
            Err(why) if self.users.is_empty() => Err(why),
            _ => self.sign_in(headers, peer, ManagementRight::Operate).await,
        }
    }

    async fn sign_in(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        right: ManagementRight,
    ) -> Result<Actor, NotAllowed> {
        let field = headers.get(header::AUTHORIZATION);
        let Some(credentials) = field.and_then(BasicCredentials::read) else {
            // a client that only asks which scheme is wanted has not failed yet
            if field.is_some() {
                self.failed(peer, None, "the Authorization header is not HTTP Basic");
            }
            return Err(NotAllowed::Unknown);
        };
        let BasicCredentials { name, password } = credentials;
        let (client, rate) = (ClaimedClient::of(peer), Rate::a_minute(WRONG_PASSWORDS));
        if let Err(exhausted) = self.wrong.check(client, rate, self.clock.moment()) {
            self.counters.signed_in(SignIn::Refused);
            return Err(NotAllowed::Guessing { retry_after: exhausted.retry_after });
        }
        let busy = || {
            self.counters.signed_in(SignIn::Refused);
            NotAllowed::Busy
        };
        let _caller = self.callers.take(Some(ClientSource::of(peer))).ok_or_else(busy)?;
        let _hash = self.hashes.acquire().await.map_err(|_| busy())?;
        let Some(roles) = self.verify(&name, password).await else {
            let _ = self.wrong.charge(client, rate, self.clock.moment());
            self.failed(peer, Some(&name), "unknown user or wrong password");
            return Err(NotAllowed::Unknown);
        };
        if !roles.iter().any(|role| right.is_held_by(*role)) {
            self.failed(peer, Some(&name), "no role of the user has this right");
            return Err(NotAllowed::Role);
        }
        self.counters.signed_in(SignIn::Succeeded);
        Ok(Actor { name })
    }

    /// Returns the roles of a user, if the password is right.
    async fn verify(&self, name: &str, password: Secret) -> Option<Vec<UserRole>> {
        let (users, name) = (Arc::clone(&self.users), name.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            // an unknown name costs the same time, so that a caller cannot find out which users
            // exist
            let user = users.iter().find(|user| user.name == name);
            let hash = user
                .or_else(|| users.first())
                .and_then(|user| PasswordHash::new(user.password_hash.reveal()).ok())?;
            Argon2::default().verify_password(password.reveal().as_bytes(), &hash).ok()?;
            user.map(|user| user.roles.clone())
        });
        checked.await.ok().flatten()
    }

    fn failed(&self, peer: IpAddr, user: Option<&str>, why: &str) {
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
}

/// Refuses browsers: a page in an operator's browser could call this listener, and a browser always
/// sends one of these.
fn refuse_browsers(headers: &HeaderMap) -> Result<(), NotAllowed> {
    let is_browser = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if is_browser { Err(NotAllowed::Browser) } else { Ok(()) }
}

fn local(headers: &HeaderMap, peer: IpAddr) -> Result<Actor, NotAllowed> {
    let proxied = PROXY_FIELDS.iter().any(|field| headers.contains_key(*field));
    if peer.to_canonical().is_loopback() && !proxied {
        Ok(Actor { name: LOCAL.to_owned() })
    } else {
        Err(NotAllowed::NotLocal)
    }
}

/// Returns a caller's user name for the log: short, and without control characters.
fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(60).collect()
}
