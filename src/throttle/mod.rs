//! Decides whether a permitted caller may call *now*.
//!
//! Every limit is a step of [`admit`]: a place among the API's requests in flight, then the quotas
//! of all [`levels`]. Deny conditions are judged when the levels are found, before anything is
//! counted. [`headers`] tells clients of their limits.

mod call_facts;
mod exceeded;
mod finder;
mod found_levels;
pub mod headers;
pub mod levels;
mod permitted;
mod policy_condition;
mod subject;
mod throttled;

pub use crate::throttle::exceeded::LimitExceeded;
pub use crate::throttle::permitted::{BodyLimits, Permitted};
pub use crate::throttle::throttled::Throttled;

use crate::backend::{BackendGroup, Turns};
use crate::limiter::concurrency::Permit;
use crate::limiter::counters::Counters;
use crate::limiter::time::{ArrivalTime, CountingTime};
use crate::model::application::KeyType;
use crate::throttle::levels::Levels;

/// The last proof before the backend: `forward` accepts nothing else.
#[derive(Debug)]
pub struct Admitted {
    permitted: Permitted,
    permit: Option<Permit>,
}

/// Admits a call once every limit has room for it, and takes that room. A refused call takes none,
/// of any limit. It counts by the time of its arrival if it has not waited since, so that the
/// clocks are read once.
pub async fn admit(
    permitted: Permitted,
    levels: &mut Levels,
    arrived: Option<ArrivalTime>,
    now: impl Fn(&Counters, Option<ArrivalTime>) -> CountingTime,
) -> Result<Admitted, Throttled> {
    let (permit, arrived) = match &permitted.api().gate {
        Some(limit) => {
            // a call beyond its quota takes no place, not even among the waiting ones
            if let Some(now) = levels.time(|counters| now(counters, arrived)) {
                levels.check(now)?;
            }
            (Some(limit.enter().await?), None)
        }
        None => (None, arrived),
    };
    if let Some(now) = levels.time(|counters| now(counters, arrived)) {
        levels.admit(now).await?;
    }
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
