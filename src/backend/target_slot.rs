//! Slots of targets: the numbers by which workers find their connection pools.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::model::backend::{Backend, BackendScheme, BackendTls, Http2, Target};
use crate::model::identity::{SlotLease, Slots};
use crate::model::network::NetworkRule;

/// The identity of a target: the address and the trust, not the path below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetKey {
    scheme: BackendScheme,
    host: String,
    service: Option<String>,
    http2: Http2,
    ping_interval: Option<Duration>,
    port: u16,
    connect_timeout: Duration,
    tls: String,
    /// A target of a file shares no connection with one that may not leave these.
    networks: Option<NetworkRule>,
}

/// The slot of a target. Equal targets with equal trust have one slot in every snapshot, so that a
/// reload leaves their connections alone. It is free again when no snapshot and no request uses the
/// target.
#[derive(Debug, Clone)]
pub struct TargetSlot(Arc<SlotLease<TargetKey>>);

/// A memory of a slot that does not keep it in use.
#[derive(Debug, Clone)]
pub struct FormerTargetSlot(Weak<SlotLease<TargetKey>>);

/// The slots of all targets of a process.
#[derive(Debug, Default)]
pub struct TargetSlots(Slots<TargetKey>);

impl TargetKey {
    pub fn new(target: &Target, backend: &Backend) -> Self {
        let secure = target.scheme == BackendScheme::Https;
        Self {
            scheme: target.scheme,
            host: target.host.clone(),
            service: target.service.clone(),
            http2: backend.http2,
            ping_interval: backend.http2_ping_interval,
            port: target.port,
            connect_timeout: backend.connect_timeout,
            tls: if secure { fingerprint(&backend.tls) } else { String::new() },
            networks: backend.networks.clone(),
        }
    }
}

impl TargetSlots {
    pub fn lease(&self, key: &TargetKey) -> TargetSlot {
        TargetSlot(self.0.lease(key))
    }

    /// The number of slots in use.
    pub fn held(&self) -> usize {
        self.0.held()
    }
}

impl TargetSlot {
    pub fn position(&self) -> usize {
        self.0.number() as usize
    }

    pub fn remembered(&self) -> FormerTargetSlot {
        FormerTargetSlot(Arc::downgrade(&self.0))
    }
}

impl FormerTargetSlot {
    /// Tells whether this is that slot, held by the same target.
    pub fn is(&self, slot: &TargetSlot) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&slot.0))
    }

    /// Tells whether any snapshot or request still uses the target.
    pub fn is_held(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// Returns a text that is equal for equal trust. A changed certificate file makes a new pool.
fn fingerprint(tls: &BackendTls) -> String {
    let mut hasher = DefaultHasher::new();
    for file in [
        tls.ca.as_ref(),
        tls.client_certificate.as_ref().map(|pair| &pair.certificate),
        tls.client_certificate.as_ref().map(|pair| &pair.key),
    ] {
        file.map(|file| &file.content).hash(&mut hasher);
    }
    format!("{:016x} {}", hasher.finish(), tls.server_name.as_deref().unwrap_or_default())
}
