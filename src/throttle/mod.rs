//! Decides whether a permitted caller may call *now*.
//!
//! Every limit is a step of [`admit`]. Only the concurrency limit of an API exists yet: of policies, `config` takes
//! "Unlimited" and refuses every other by name.

mod condition;
pub mod headers;
pub mod levels;
mod permitted;
mod subject;

pub use crate::throttle::permitted::{BodyLimits, Permitted};

use crate::backend::{BackendGroup, Turns};
use crate::limiter::concurrency::{Full, Permit};
use crate::model::application::KeyType;
use crate::model::reason::Reason;

/// The last proof before the backend: `forward` takes nothing else.
#[derive(Debug)]
pub struct Admitted {
    permitted: Permitted,
    permit: Option<Permit>,
}

/// The limit that refuses a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Throttled {
    #[error(transparent)]
    ConcurrencyLimit(#[from] Full),
}

impl Throttled {
    pub fn reason(self) -> Reason {
        match self {
            Self::ConcurrencyLimit(Full) => Reason::ConcurrencyLimit,
        }
    }
}

/// Admits a call once every limit has room for it, and takes that room.
pub async fn admit(permitted: Permitted) -> Result<Admitted, Throttled> {
    let permit = match &permitted.api().gate {
        Some(limit) => Some(limit.enter().await?),
        None => None,
    };
    Ok(Admitted { permitted, permit })
}

impl Admitted {
    pub fn permitted(&self) -> &Permitted {
        &self.permitted
    }

    /// Takes the permit out. The API has room for another request once it is dropped.
    pub fn take_permit(&mut self) -> Option<Permit> {
        self.permit.take()
    }

    /// The backend for this type of key, with this worker's turns on it.
    pub fn backend(&self) -> Option<(&BackendGroup, &Turns)> {
        let api = self.permitted.api();
        let (group, turns) = match self.permitted.key_type() {
            KeyType::Production => (api.production.as_ref(), &api.production_turns),
            KeyType::Sandbox => (api.sandbox.as_ref(), &api.sandbox_turns),
        };
        group.map(|group| (group, turns))
    }
}
