//! HTTP Basic: the name and the password of a user.

use std::net::IpAddr;

use http::{HeaderValue, StatusCode};

use crate::admin::access::user::{ApiUser, MOST_NAME};
use crate::admin::access::{ApiAccess, unknown};
use crate::admin::caller::Caller;
use crate::admin::catalog::Catalog;
use crate::admin::refused::Refused;
use crate::model::BasicCredentials;
use crate::sign_in::{PasswordFault, PasswordTurn};
use crate::store::Kind;

impl ApiAccess {
    pub(super) async fn enter_by_password(
        &self,
        catalog: &Catalog,
        field: &HeaderValue,
        peer: IpAddr,
    ) -> Result<Caller, Refused> {
        let Some(credentials) = BasicCredentials::read(field) else {
            self.passwords.failed(peer, None, "the Authorization header is not HTTP Basic");
            return Err(unknown("the Authorization header is not HTTP Basic"));
        };
        let user = self.verify(catalog, credentials, peer).await?;
        self.passwords.succeeded();
        Ok(user.caller(peer))
    }

    async fn verify(
        &self,
        catalog: &Catalog,
        credentials: BasicCredentials,
        peer: IpAddr,
    ) -> Result<ApiUser, Refused> {
        let turn = self.passwords.turn(peer).map_err(refused)?;
        self.verify_in(turn, catalog, credentials).await
    }

    /// Finds the user of a name and compares the password.
    pub(in crate::admin) async fn verify_in(
        &self,
        turn: PasswordTurn<'_>,
        catalog: &Catalog,
        credentials: BasicCredentials,
    ) -> Result<ApiUser, Refused> {
        let BasicCredentials { name, password } = credentials;
        let user = self.find(catalog, &name).await?;
        let hash = user.as_ref().map(|user| &user.password_hash);
        let decoy = self.users.first().map(|user| &user.password_hash);
        turn.verify(&name, password, hash, decoy).await.map_err(refused)?;
        user.ok_or_else(|| refused(PasswordFault::Wrong))
    }

    /// Tells whether such a user may exist. If tokens of another server are accepted, only that
    /// server knows their users.
    pub(in crate::admin) async fn may_know(
        &self,
        catalog: &Catalog,
        name: &str,
    ) -> Result<bool, Refused> {
        Ok(self.foreign.is_some() || self.find(catalog, name).await?.is_some())
    }

    /// Finds a user who may sign in. Users of the files come before those of the store.
    pub(super) async fn find(
        &self,
        catalog: &Catalog,
        name: &str,
    ) -> Result<Option<ApiUser>, Refused> {
        if let Some(user) = self.users.iter().find(|user| user.name == name) {
            return Ok(Some(ApiUser::from(user)));
        }
        if name.len() > MOST_NAME {
            return Ok(None);
        }
        let record = catalog.store().named(Kind::User, name).await?;
        Ok(record.and_then(|record| ApiUser::of_record(&record)))
    }
}

pub(in crate::admin) fn refused(fault: PasswordFault) -> Refused {
    let later = |status, description, seconds| {
        let mut refused = Refused::plain(status, description);
        refused.retry_after = Some(seconds);
        refused
    };
    match fault {
        PasswordFault::Wrong => unknown("the user is unknown, or the password is wrong"),
        PasswordFault::Guessing { retry_after } => later(
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong passwords from this address; wait as long as Retry-After says",
            retry_after,
        ),
        PasswordFault::Busy => later(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many passwords are being checked; try again",
            1,
        ),
    }
}
