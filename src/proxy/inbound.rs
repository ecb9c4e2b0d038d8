//! A request as it came from the client.

use http::Request;
use hyper::body::Incoming;

use crate::forward::body::RequestBody;
use crate::proxy::connection::{Connection, InFlight};
use crate::proxy::stream::upgrade::UpgradeRequest;
use crate::proxy::worker::Worker;

/// A request with the protocol that it asks to go on in. Both stand in boxes of their own: the
/// request is large and handed on, and few ask for another protocol.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) request: Box<Request<RequestBody>>,
    pub(super) upgrade: Option<Box<UpgradeRequest>>,
}

impl Inbound {
    pub(super) fn new(worker: &Worker, in_flight: &InFlight, request: Request<Incoming>) -> Self {
        let bodies = in_flight.connection().bodies();
        let request = request.map(|body| RequestBody::new(body, worker.deadlines(), bodies));
        Self { request: Box::new(request), upgrade: None }
    }

    /// Finds out whether the request asks for another protocol. If so, the bytes after it may not
    /// be HTTP.
    pub(super) fn read_upgrade(&mut self, connection: &Connection) {
        self.upgrade = UpgradeRequest::take(&mut *self.request).map(Box::new);
        if self.is_http1_upgrade() {
            connection.upgrades();
        }
    }

    pub(super) fn is_http1_upgrade(&self) -> bool {
        self.upgrade.as_ref().is_some_and(|upgrade| upgrade.stream.is_none())
    }
}
