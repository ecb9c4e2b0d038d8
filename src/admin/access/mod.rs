//! Signs callers of the API in.
//!
//! A user is one of `[management] users`, or one that the store keeps; its roles decide which of
//! WSO2's scopes it has. The files: [`scopes`] (the scopes of each role), [`user`] (a user as it is
//! kept), [`password`] (HTTP Basic), [`bearer`] (tokens), [`anonymous`] (calls without
//! credentials). WSO2's command line tool registers a client ([`registration`], [`client`]) and
//! gets tokens of the gateway's own ([`grants`], [`token_refused`], [`form`], [`token`],
//! [`tokens`]), which every gateway of a fleet knows ([`sealed_tokens`], [`ended_tokens`]) or this
//! process alone ([`process_tokens`]).

mod anonymous;
mod bearer;
mod client;
mod ended_tokens;
mod foreign;
mod form;
mod grants;
mod password;
mod process_tokens;
mod registration;
mod scopes;
mod sealed_tokens;
#[cfg(test)]
mod tests;
mod token;
mod token_refused;
mod tokens;
mod user;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

pub(super) use anonymous::Anonymous;
pub use foreign::ForeignTokens;
pub(super) use password::refused;
pub(super) use user::{DISABLED, GROUPS, PASSWORD_HASH, ROLES, has_name};

use crate::admin::access::token::TokenTime;
use crate::admin::access::tokens::ApiTokens;
use crate::admin::caller::Caller;
use crate::admin::catalog::Catalog;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::clock::UnixSeconds;
use crate::model::gateway::ManagementUser;
use crate::sign_in::{PasswordChecks, same_origin};
use crate::store::StoreKeys;

/// The ways to sign in.
#[derive(Debug)]
pub struct ApiAccess {
    /// The users of `[management]`.
    pub(super) users: Arc<[ManagementUser]>,
    pub(super) passwords: Arc<PasswordChecks>,
    tokens: ApiTokens,
    /// Tokens of `management.token_key_manager`.
    foreign: Option<ForeignTokens>,
}

/// Returns the operations by which clients get tokens.
pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/client-registration/v0.17/register", post(registration::register))
        .route("/oauth2/token", post(grants::token))
        .route("/oauth2/revoke", post(grants::revoke))
}

impl ApiAccess {
    pub fn new(users: Arc<[ManagementUser]>, passwords: Arc<PasswordChecks>) -> Self {
        let tokens = ApiTokens::new(Arc::clone(passwords.counters()));
        Self { users, passwords, tokens, foreign: None }
    }

    /// Makes tokens that every gateway with these keys knows, if there are any.
    pub(super) fn sealing(self, keys: &Arc<StoreKeys>) -> Self {
        Self { tokens: self.tokens.sealing(Arc::clone(keys)), ..self }
    }

    /// Accepts tokens of a key manager too.
    #[must_use]
    pub fn accepting(self, foreign: Option<ForeignTokens>) -> Self {
        Self { foreign, ..self }
    }

    /// The time, by the clock that everything else here is judged by.
    pub(super) fn now(&self) -> UnixSeconds {
        self.passwords.now()
    }

    fn token_time(&self) -> TokenTime {
        TokenTime { moment: self.passwords.moment(), wall: self.passwords.milliseconds() }
    }

    /// Refuses calls of other sites' pages, and every call if there is no user.
    fn open(&self, parts: &Parts) -> Result<(), Refused> {
        if self.users.is_empty() && self.foreign.is_none() {
            return Err(nobody());
        }
        if !same_origin(parts) {
            return Err(Refused::forbidden("calls from pages of other sites are not accepted"));
        }
        Ok(())
    }

    /// Lets a caller in by its credentials.
    pub(super) async fn enter(
        &self,
        catalog: &Catalog,
        parts: &Parts,
        peer: IpAddr,
    ) -> Result<Caller, Refused> {
        self.open(parts)?;
        let mut fields = parts.headers.get_all(header::AUTHORIZATION).iter();
        match (fields.next(), fields.next()) {
            (None, _) => Err(unknown(
                "send the name and password of a user (HTTP Basic), or an access token (Bearer)",
            )),
            (Some(field), None) if is_of_scheme(field, "basic") => {
                self.enter_by_password(catalog, field, peer).await
            }
            (Some(field), None) if is_of_scheme(field, "bearer") => {
                self.enter_by_token(catalog, field, parts, peer).await
            }
            (Some(_), None) => {
                self.passwords.failed(peer, None, "the scheme of the credentials is unknown");
                Err(unknown("the Authorization header is neither HTTP Basic nor Bearer"))
            }
            (Some(_), Some(_)) => Err(Refused::bad_request("there are two Authorization headers")),
        }
    }
}

/// The answer of an API that no user and no token opens.
fn nobody() -> Refused {
    Refused::plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "nobody may sign in: `management.users` and `management.token_key_manager` are not written",
    )
}

fn unknown(description: &str) -> Refused {
    Refused::plain(StatusCode::UNAUTHORIZED, description)
}

fn is_of_scheme(field: &HeaderValue, scheme: &str) -> bool {
    let written = field.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    written.eq_ignore_ascii_case(scheme.as_bytes())
}
