//! Who may change something through the management listener.
//!
//! With users: whoever shows one's password (HTTP Basic). Without: whoever is on this machine, and no page in a browser.

use std::net::IpAddr;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use tokio::sync::Semaphore;

use crate::model::gateway::ManagementUser;

/// Hashes are slow on purpose: so many at a time, and no more.
const MOST_AT_A_TIME: usize = 2;

/// Whoever calls from this machine where no users are written.
const LOCAL: &str = "(this machine)";

#[derive(Debug)]
pub struct Users {
    users: Arc<[ManagementUser]>,
    places: Semaphore,
}

/// Why a caller may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAllowed {
    /// No credentials, or wrong ones.
    Unknown,
    NotLocal,
    Browser,
}

impl Users {
    pub fn new(users: Vec<ManagementUser>) -> Self {
        Self { users: users.into(), places: Semaphore::new(MOST_AT_A_TIME) }
    }

    /// The name of who calls, if it may.
    pub async fn check(&self, headers: &HeaderMap, peer: IpAddr) -> Result<String, NotAllowed> {
        // a page in an operator's browser could post here; browsers always say so
        if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
            return Err(NotAllowed::Browser);
        }
        if self.users.is_empty() {
            return if peer.to_canonical().is_loopback() {
                Ok(LOCAL.to_owned())
            } else {
                Err(NotAllowed::NotLocal)
            };
        }
        let Some((name, password)) = basic(headers) else { return Err(NotAllowed::Unknown) };
        let Ok(_place) = self.places.acquire().await else { return Err(NotAllowed::Unknown) };
        let (users, user) = (Arc::clone(&self.users), name.clone());
        let checked = tokio::task::spawn_blocking(move || {
            // the same work for a name that is not there, so that its absence does not show
            let user = users.iter().find(|user| user.name == name);
            let hash = user
                .or_else(|| users.first())
                .and_then(|user| PasswordHash::new(user.password_hash.reveal()).ok());
            hash.is_some_and(|hash| {
                Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
            }) && user.is_some()
        });
        if checked.await.unwrap_or(false) { Ok(user) } else { Err(NotAllowed::Unknown) }
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let field = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = field.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
