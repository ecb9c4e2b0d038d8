//! The certificates that servers have shown: for a scrape, and a warning before they expire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::BackendGroup;
use crate::model::clock::Clock;
use crate::snapshot::{Snapshot, Snapshots};
use crate::supervise::certificates::ends_soon;
use crate::telemetry::{KeyManagerFacts, ServerCertificateFacts};

/// Collects when the certificates expire.
pub(super) fn facts(
    snapshot: &Snapshot,
    key_managers: Vec<KeyManagerFacts>,
) -> Vec<ServerCertificateFacts> {
    let key_managers = key_managers.into_iter().filter_map(|facts| {
        let not_after = facts.certificate_until?;
        Some(ServerCertificateFacts { role: "key_manager", server: facts.name, not_after })
    });
    let groups = snapshot.routes.apis.iter().flat_map(|api| [&api.production, &api.sandbox]);
    let mut backends = BTreeMap::new();
    for target in groups.flatten().flat_map(BackendGroup::all) {
        if let Some(until) = target.healths.certificate_until() {
            backends.insert(target.label.to_string(), until);
        }
    }
    let backends = backends.into_iter().map(|(server, not_after)| ServerCertificateFacts {
        role: "backend",
        server,
        not_after,
    });
    key_managers.chain(backends).collect()
}

/// Warns of servers whose certificates expire soon, twice a day.
pub(super) async fn watch(
    snapshots: Arc<Snapshots>,
    clock: Arc<dyn Clock>,
    facts: impl Fn(&Snapshot) -> Vec<ServerCertificateFacts>,
) {
    const FIRST: Duration = Duration::from_mins(1);
    const EACH: Duration = Duration::from_hours(12);
    tokio::time::sleep(FIRST).await;
    loop {
        for ServerCertificateFacts { role, server, not_after } in facts(&snapshots.load()) {
            if let Some(trouble) = ends_soon(not_after, clock.now()) {
                tracing::warn!(
                    target: "portcullis::supervise",
                    role,
                    server,
                    "the certificate of a server {trouble}",
                );
            }
        }
        tokio::time::sleep(EACH).await;
    }
}
