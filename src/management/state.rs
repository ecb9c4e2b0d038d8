//! The state that management calls are answered from.

use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;
use tokio::sync::{Semaphore, mpsc};

use crate::admin::AdminService;
use crate::authenticate::cache::Common;
use crate::management::access::{Access, Actor};
use crate::management::hosts::OwnHosts;
use crate::management::in_force::InForce;
use crate::management::readiness::Readiness;
use crate::management::reload_request::ReloadRequest;
use crate::model::clock::Clock;
use crate::revocation::Revocations;
use crate::snapshot::Snapshots;
use crate::telemetry::{ManagementCall, Metrics};

/// The parts of the gateway that management calls use.
#[derive(Debug)]
pub struct ManagementState {
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    /// Sends a request to the supervisor; the reply holds the report.
    pub reload: mpsc::Sender<ReloadRequest>,
    pub access: Access,
    pub hosts: OwnHosts,
    pub revocations: Arc<Revocations>,
    /// True if WSO2 Identity Server may send revocation notices.
    pub notices: bool,
    pub snapshots: Arc<Snapshots>,
    pub clock: Arc<dyn Clock>,
    pub explaining: Explaining,
    /// The REST API; `None` if there is no store, or no user who could sign in.
    pub admin: Option<AdminService>,
}

impl ManagementState {
    /// Counts and logs a change.
    pub(super) fn note(
        &self,
        change: ManagementCall,
        actor: &Actor,
        peer: IpAddr,
        status: StatusCode,
    ) {
        self.metrics.management().changed(change, status.is_success());
        tracing::info!(
            target: "portcullis::management",
            change = change.label(),
            by = actor.name(),
            client = %peer,
            status = status.as_u16(),
            "management change requested"
        );
    }
}

/// The parts of the gateway that explanations use.
#[derive(Debug)]
pub struct Explaining {
    pub common: Common,
    pub in_force: Arc<InForce>,
    pub places: Semaphore,
}

impl Explaining {
    pub fn new(common: Common, in_force: Arc<InForce>) -> Self {
        Self { common, in_force, places: Semaphore::new(MOST_AT_A_TIME) }
    }
}

/// Explanations at a time: each may ask authorization servers.
const MOST_AT_A_TIME: usize = 4;
