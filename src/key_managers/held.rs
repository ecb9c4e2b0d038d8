//! The organizations that are open, and those that a while ago were not there.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::budget::leaky_bucket::LeakyBucket;
use crate::jwks::Fetching;
use crate::key_managers::compiled::CompiledKeyManager;
use crate::key_managers::organization_closed::OrganizationClosed;
use crate::model::clock::Moment;

#[derive(Debug, Default)]
pub(super) struct OrganizationsState {
    pub(super) held: HashMap<Box<str>, OpenOrganization>,
    /// The time until which the server is not asked again.
    pub(super) closed: HashMap<Box<str>, (Moment, OrganizationClosed)>,
    pub(super) opened: LeakyBucket,
    pub(super) sequence: u64,
    /// Live ones were added or removed.
    pub(super) changed: bool,
}

#[derive(Debug)]
pub(super) struct OpenOrganization {
    pub(super) key_manager: Arc<CompiledKeyManager>,
    pub(super) fetching: Fetching,
    pub(super) name: Box<str>,
    pub(super) live: bool,
    /// It should be live, and all places were taken.
    pub(super) waits: bool,
    pub(super) sequence: u64,
}
