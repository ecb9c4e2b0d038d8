//! Counts the requests that are with a target.

use std::sync::Arc;

use crate::backend::TargetAddress;
use crate::backend::target_health::TargetHealth;

/// A request at its target; counted if busy targets get fewer requests.
#[derive(Debug)]
pub(super) struct InFlightRequest(Arc<TargetHealth>);

impl InFlightRequest {
    pub(super) fn new(endpoint: &TargetAddress) -> Self {
        endpoint.health.began();
        Self(Arc::clone(&endpoint.health))
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.0.ended();
    }
}
