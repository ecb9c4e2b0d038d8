//! One request that the servers decide on: all of its counters, in one step.

use std::sync::Arc;

use redis::Value;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::limiter::burst::milliseconds;
use crate::limiter::counters::{Exceeded, Noted, Passed, Tightest};
use crate::limiter::key::CounterKey;
use crate::limiter::limit::{ExcessRule, Limit, LimitPart};
use crate::limiter::share::Share;
use crate::limiter::shared::merge::{Sums, key, lifetime, number};
use crate::limiter::shared::scripts::{Script, whole};
use crate::limiter::shared::servers::ScriptCall;
use crate::limiter::time::CountingTime;
use crate::model::policy::{QuotaUnit, Window};

/// The servers' decision on a request.
pub(super) type Decision = Result<Passed, Exceeded>;

/// A request that waits for the servers.
#[derive(Debug)]
pub(super) struct UndecidedRequest {
    pub(super) claims: SmallVec<[OwnedClaim; 4]>,
    pub(super) answer: oneshot::Sender<Decision>,
}

/// A counter that a request wants to be counted in.
#[derive(Debug, Clone)]
pub(super) struct OwnedClaim {
    pub(super) limit: Arc<Limit>,
    pub(super) key: CounterKey,
}

impl UndecidedRequest {
    /// The call that decides. `ahead`: the servers' clock less this gateway's wall clock, in ms.
    pub(super) fn call(&self, now: CountingTime, ahead: i64) -> ScriptCall {
        let wall = now.wall.saturating_add_signed(ahead);
        let mut arguments = Vec::new();
        for OwnedClaim { limit, .. } in &self.claims {
            arguments.push(rule(limit.excess).as_bytes().to_vec());
            arguments.extend([number(lifetime(limit)), number(limit.quotas.len() as u64)]);
            for quota in &limit.quotas {
                let adds = u64::from(quota.unit == QuotaUnit::Requests);
                arguments.extend([number(quota.most.get()), number(adds)]);
                match quota.window {
                    Window::Sliding(length) => arguments.push(number(milliseconds(length))),
                    window => {
                        let (start, end) = crate::limiter::calendar::bounds(wall, window);
                        arguments.extend([
                            number(0),
                            number(start),
                            number(end.saturating_mul(1000)),
                        ]);
                    }
                }
            }
            let (requests, per) =
                limit.burst.map_or((0, 0), |burst| (burst.requests.get(), milliseconds(burst.per)));
            arguments.extend([number(requests), number(per)]);
        }
        let keys = self.claims.iter().map(|claim| key(claim.key.0, Sums::OfThisGateway)).collect();
        ScriptCall { script: Script::Admit, keys, arguments }
    }

    /// Reads the answer. Returns `None` if it has another shape, or if a key holds a foreign value.
    pub(super) fn read(&self, answer: &Value) -> Option<Decision> {
        let Value::Array(parts) = answer else { return None };
        let mut parts = parts.iter();
        let _now = whole(parts.next()?)?;
        let Value::BulkString(verdict) = parts.next()? else { return None };
        match verdict.as_slice() {
            b"refused" => {
                let claim = usize::try_from(whole(parts.next()?)?).ok()?;
                let part = part(parts.next()?)?;
                Some(Err(Exceeded { claim, part, wait: whole(parts.next()?)? }))
            }
            b"passed" => {
                let noted = match signed(parts.next()?)? {
                    claim if claim < 0 => {
                        parts.next()?;
                        None
                    }
                    claim => Some(Noted {
                        claim: usize::try_from(claim).ok()?,
                        part: part(parts.next()?)?,
                    }),
                };
                let tightest = self.tightest(&mut parts).ok()?;
                Some(Ok(Passed { tightest, noted }))
            }
            _ => None,
        }
    }

    /// Returns the quota with the smallest share left, of those that clients are told of. An answer
    /// of another shape is an error.
    fn tightest<'v>(
        &self,
        parts: &mut impl Iterator<Item = &'v Value>,
    ) -> Result<Option<Tightest>, OtherShape> {
        let mut next = || parts.next().and_then(whole).ok_or(OtherShape);
        let (mut tightest, mut of) = (Share::NONE, 0);
        for (claim, OwnedClaim { limit, .. }) in self.claims.iter().enumerate() {
            for (position, quota) in (0_u8..).zip(&limit.quotas) {
                let (total, reset) = (next()?, next()?);
                let share = Share::new(position, total, quota.most.get(), reset);
                if limit.is_told && share.is_below(&tightest) {
                    (tightest, of) = (share, claim);
                }
            }
        }
        Ok(tightest.of_claim(of))
    }
}

/// An answer that no script gives.
struct OtherShape;

fn rule(rule: ExcessRule) -> &'static str {
    match rule {
        ExcessRule::Refuse => "refuse",
        ExcessRule::Mark => "mark",
        ExcessRule::Observe => "observe",
    }
}

fn part(value: &Value) -> Option<LimitPart> {
    match signed(value)? {
        -1 => Some(LimitPart::Burst),
        position => u8::try_from(position).ok().map(LimitPart::Quota),
    }
}

fn signed(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}
