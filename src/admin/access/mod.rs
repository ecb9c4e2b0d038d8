//! Signs callers of the API in.
//!
//! A user is one of `[management] users`, or one that the store keeps; its roles decide which of
//! WSO2's scopes it has. The files: [`scopes`] (the scopes of each role), [`user`] (a user as it is
//! kept), [`password`] (HTTP Basic).

mod password;
mod scopes;
mod user;

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use crate::admin::caller::Caller;
use crate::admin::catalog::Catalog;
use crate::admin::refused::Refused;
use crate::model::gateway::ManagementUser;
use crate::sign_in::{PasswordChecks, same_origin};

/// The ways to sign in.
#[derive(Debug)]
pub struct ApiAccess {
    users: Arc<[ManagementUser]>,
    passwords: Arc<PasswordChecks>,
}

impl ApiAccess {
    pub fn new(users: Arc<[ManagementUser]>, passwords: Arc<PasswordChecks>) -> Self {
        Self { users, passwords }
    }

    /// Lets a caller in by its credentials.
    pub(super) async fn enter(
        &self,
        catalog: &Catalog,
        parts: &Parts,
        peer: IpAddr,
    ) -> Result<Caller, Refused> {
        if self.users.is_empty() {
            return Err(nobody());
        }
        if !same_origin(parts) {
            return Err(Refused::forbidden("calls from pages of other sites are not accepted"));
        }
        let mut fields = parts.headers.get_all(header::AUTHORIZATION).iter();
        match (fields.next(), fields.next()) {
            (None, _) => Err(unknown("send the name and password of a user (HTTP Basic)")),
            (Some(field), None) if is_of_scheme(field, "basic") => {
                self.enter_by_password(catalog, field, peer).await
            }
            (Some(_), None) => {
                self.passwords.failed(peer, None, "the scheme of the credentials is unknown");
                Err(unknown("the Authorization header is not HTTP Basic"))
            }
            (Some(_), Some(_)) => Err(Refused::bad_request("there are two Authorization headers")),
        }
    }
}

/// The answer of an API that no user and no token opens.
pub(super) fn nobody() -> Refused {
    Refused::plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "nobody may sign in: `management.users` is empty",
    )
}

fn unknown(description: &str) -> Refused {
    Refused::plain(StatusCode::UNAUTHORIZED, description)
}

fn is_of_scheme(field: &HeaderValue, scheme: &str) -> bool {
    let written = field.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    written.eq_ignore_ascii_case(scheme.as_bytes())
}
