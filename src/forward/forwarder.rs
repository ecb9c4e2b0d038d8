//! The parts that a worker lends to forwarding, and the effects of attempts on targets.

use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use crate::backend::target_health::monotonic_millis;
use crate::backend::{BackendGroup, CompiledTarget, TargetAddress, TargetAddresses, Turns};
use crate::deadline::Deadlines;
use crate::forward::pool::Pools;
use crate::telemetry::WorkerCounters;

/// The parts that a worker lends to forwarding.
#[derive(Debug)]
pub struct Forwarder {
    pub pools: Pools,
    pub deadlines: Rc<Deadlines>,
    pub counters: Arc<WorkerCounters>,
}

/// The addresses of a group's targets, borrowed from it or resolved by the worker.
pub(super) enum GroupAddresses<'g> {
    Written(&'g TargetAddresses),
    Resolved(Rc<TargetAddresses>),
}

impl Deref for GroupAddresses<'_> {
    type Target = TargetAddresses;

    fn deref(&self) -> &TargetAddresses {
        match self {
            Self::Written(addresses) => addresses,
            Self::Resolved(addresses) => addresses,
        }
    }
}

impl Forwarder {
    /// Returns the addresses of a group's targets: of names, those that this worker knows now.
    pub(super) fn endpoints<'g>(
        &self,
        group: &'g BackendGroup,
        turns: &Turns,
        now: u64,
    ) -> GroupAddresses<'g> {
        if let Some(written) = &group.written {
            return GroupAddresses::Written(written);
        }
        let changes = self.pools.changes();
        let resolve = |target: &CompiledTarget| self.pools.addresses(target).to_vec();
        GroupAddresses::Resolved(turns.endpoints(changes, || group.resolved(now, changes, resolve)))
    }

    /// Notes the outcome of an attempt for its address.
    pub(super) fn note(
        &self,
        group: &BackendGroup,
        endpoints: &TargetAddresses,
        asked: &TargetAddress,
        good: bool,
    ) {
        if good && group.eject.is_none() && endpoints.is_single() {
            return;
        }
        let (health, now) = (&asked.health, monotonic_millis());
        if good {
            health.succeeded(now);
            return;
        }
        if group.eject.as_ref().is_some_and(|rule| health.failed(rule))
            && group.eject(endpoints, asked, now)
        {
            self.counters.backend_ejected();
            let address = asked.address.map(tracing::field::display);
            tracing::warn!(target: "portcullis::forward", backend = %asked.target.label, address, "target ejected: too many failures in a row");
        }
    }
}
