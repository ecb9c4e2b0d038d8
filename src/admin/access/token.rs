//! One token that the gateway issues to a client of its API.

use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::clock::Moment;
use crate::model::secret::Secret;

/// WSO2's default.
pub(super) const ACCESS_LIFETIME: Duration = Duration::from_hours(1);

/// WSO2's default.
pub(super) const REFRESH_LIFETIME: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiTokenKind {
    Access,
    Refresh,
}

/// The right that a token gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenGrant {
    pub(super) user: String,
    /// The user's password at the time of issue, as [`ApiUser::stamp`] marks it.
    ///
    /// [`ApiUser::stamp`]: super::user::ApiUser::stamp
    pub(super) stamp: [u8; 32],
    /// The id of the token's client.
    pub(super) client: String,
    pub(super) scopes: Vec<String>,
}

/// The time by both clocks: the one of this process, and the one that all gateways have.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenTime {
    pub(super) moment: Moment,
    /// Milliseconds since 1970.
    pub(super) wall: u64,
}

impl ApiTokenKind {
    pub(super) fn lifetime(self) -> Duration {
        match self {
            Self::Access => ACCESS_LIFETIME,
            Self::Refresh => REFRESH_LIFETIME,
        }
    }
}

/// Returns 256 random bits as text.
pub(super) fn random_text() -> Option<Secret> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}
