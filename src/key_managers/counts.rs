//! Counts openings and closings of organizations that no file lists.

use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers of organizations that were opened or not since the start.
#[derive(Debug, Default)]
pub(super) struct OrganizationCounts {
    pub(super) opened: AtomicU64,
    pub(super) absent: AtomicU64,
    pub(super) unavailable: AtomicU64,
    pub(super) too_many: AtomicU64,
    pub(super) evicted: AtomicU64,
    /// Good ones that stay on trial because live ones in use take all places.
    pub(super) full: AtomicU64,
}

/// The numbers for `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationsStatus {
    pub live: usize,
    pub on_trial: usize,
    pub closed: usize,
    pub events: [(&'static str, u64); 6],
}

impl OrganizationCounts {
    pub(super) fn events(&self) -> [(&'static str, u64); 6] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Self { opened, absent, unavailable, too_many, evicted, full } = self;
        [
            ("opened", of(opened)),
            ("absent", of(absent)),
            ("unavailable", of(unavailable)),
            ("too_many", of(too_many)),
            ("evicted", of(evicted)),
            ("full", of(full)),
        ]
    }
}

pub(super) fn count(of: &AtomicU64) {
    of.fetch_add(1, Ordering::Relaxed);
}
