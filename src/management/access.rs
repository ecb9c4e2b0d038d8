//! Decides which caller of the management listener has which right.
//!
//! If `management.users` are configured, the user's role decides (HTTP Basic). If none are, every
//! caller on this machine has every right, except a page in a browser and a caller behind a proxy,
//! whose address only looks local. [`sign_in`](crate::sign_in) makes guessing passwords slow.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, header};

use crate::model::BasicCredentials;
use crate::model::gateway::{ManagementUser, UserRole};
use crate::sign_in::{PasswordChecks, PasswordFault};

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
    passwords: Arc<PasswordChecks>,
}

impl Access {
    pub fn new(users: Arc<[ManagementUser]>, passwords: Arc<PasswordChecks>) -> Self {
        Self { users, passwords }
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
                self.passwords.failed(peer, None, "the Authorization header is not HTTP Basic");
            }
            return Err(NotAllowed::Unknown);
        };
        let BasicCredentials { name, password } = credentials;
        let turn = self.passwords.turn(peer)?;
        let user = self.users.iter().find(|user| user.name == name);
        let hash = user.map(|user| &user.password_hash);
        let decoy = self.users.first().map(|user| &user.password_hash);
        turn.verify(&name, password, hash, decoy).await?;
        let roles = user.map(|user| &*user.roles).unwrap_or_default();
        if !roles.iter().any(|role| right.is_held_by(*role)) {
            self.passwords.failed(peer, Some(&name), "no role of the user has this right");
            return Err(NotAllowed::Role);
        }
        self.passwords.succeeded();
        Ok(Actor { name })
    }
}

impl From<PasswordFault> for NotAllowed {
    fn from(fault: PasswordFault) -> Self {
        match fault {
            PasswordFault::Wrong => Self::Unknown,
            PasswordFault::Guessing { retry_after } => Self::Guessing { retry_after },
            PasswordFault::Busy => Self::Busy,
        }
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
