//! The walk of one request, and the decision on it: every step, its proof and its order, on one
//! page.
//!
//! A step takes the proof of the step before, so no step can be skipped. The first step that
//! refuses ends the walk. Only [`local_reply`](crate::proxy::local_reply) turns its refusal into a
//! response.

use crate::authenticate::cache::TokenCache;
use crate::authenticate::{authenticate, credentials};
use crate::authorize::{self, Grant, authorize};
use crate::limiter::counters::Counters;
use crate::model::clock::UnixSeconds;
use crate::proxy::asking::{Asking, Questions};
use crate::proxy::exchange::Exchange;
use crate::proxy::forwarding::forward;
use crate::proxy::head::{self, Head};
use crate::proxy::inbound::Inbound;
use crate::proxy::outgoing;
use crate::proxy::refusal::{Refusal, Undecided, Why};
use crate::proxy::reply::{self, Reply};
use crate::proxy::request_facts::RequestFacts;
use crate::proxy::routing::route;
use crate::proxy::verdict;
use crate::proxy::wait::Wait;
use crate::proxy::worker::Worker;
use crate::snapshot::Snapshot;
use crate::throttle::{self, Permitted};

/// Walks one request to its backend and back. Dropping the future (the client left) cancels the
/// backend's request.
pub(super) async fn walk(
    worker: &Worker,
    exchange: &mut Exchange,
    mut inbound: Inbound,
) -> Result<Reply, Refusal> {
    let uri = exchange.request.uri.clone();
    // one authority, one client, one spelling of the path
    let head = head::read(worker, exchange, &mut inbound, &uri)?;
    // decide; on a question, ask; repeat
    let permitted = permit(worker, exchange, &head, &inbound).await?;
    // quotas, and a place among the requests in flight
    let arrived = exchange.arrival();
    let now = |counters: &Counters, arrived| worker.counting_time(counters, arrived);
    let admitted = throttle::admit(permitted, &mut exchange.levels, arrived, now).await?;
    // headers, body limits, backend JWT, upgrade
    let (outgoing, way_back) = outgoing::prepare(worker, exchange, &head, &admitted, inbound)?;
    // the backend's response head
    let answer = forward(worker, exchange, &admitted, outgoing, &way_back).await?;
    // relay, limited stream, or tunnel
    Ok(reply::of(worker, exchange, admitted, answer, way_back))
}

/// Decides, each time on the newest snapshot, until no question is open or [`Questions`] allows no
/// further one.
async fn permit(
    worker: &Worker,
    exchange: &mut Exchange,
    head: &Head<'_>,
    inbound: &Inbound,
) -> Result<Permitted, Refusal> {
    let facts = head.facts(exchange, inbound);
    let mut questions = Questions::default();
    loop {
        let snapshot = worker.snapshots().load();
        let refusal = match decide(&snapshot, &facts, worker.cache(), worker.clock().now()) {
            Ok(grant) => {
                // of this decision: whatever becomes of it, the next one must not find it
                let proof = worker.cache().take_claim();
                let permitted = verdict::permitted(exchange, &snapshot, &grant, head, inbound)?;
                drop(snapshot);
                return verdict::claimed(worker, exchange, inbound, permitted, proof).await;
            }
            Err(Undecided::Refused(refusal)) => refusal,
            Err(Undecided::Needs(question, at)) => {
                let asking = Asking::new(worker, &facts, &snapshot, &at, exchange.head.client);
                let wait = Wait::begin(&question);
                let asked = Box::pin(questions.ask(question, asking)).await;
                exchange.waited(wait, asked.is_ok());
                match asked {
                    Ok(()) => continue,
                    Err(error) => at.refusal(Why::Authenticate(error)),
                }
            }
        };
        verdict::refused(exchange, &snapshot, &refusal, inbound);
        return Err(refusal);
    }
}

/// Decides on one snapshot, without waiting. `explain` calls it too, so `explain` reports exactly
/// what the gateway does.
pub fn decide<'s>(
    snapshot: &'s Snapshot,
    asked: &RequestFacts<'_>,
    memory: &TokenCache,
    now: UnixSeconds,
) -> Result<Grant<'s>, Undecided> {
    let routed = route(snapshot, asked)?;
    if let Some(open) = authorize::open(routed) {
        return open.map_err(|error| Undecided::unauthorized(&routed, error, None));
    }
    let unproven = |why| Undecided::unproven(&routed, why);
    let header = &routed.api().definition.authorization_header;
    let credential = credentials::credential(asked.headers, header).map_err(unproven)?;
    let evidence = asked.evidence();
    let caller = authenticate(snapshot, &routed, credential, &evidence, memory, now)
        .map_err(|unproven| Undecided::unproven(&routed, unproven))?;
    let grant = authorize(snapshot, routed, caller.principal.clone())
        .map_err(|error| Undecided::unauthorized(&routed, error, Some(&caller.principal)))?;
    // nothing else refuses the request: from now on its proof is used
    caller.use_proof(memory, now).map_err(unproven)?;
    caller.principal.key_manager().note_use(memory.moment());
    Ok(grant)
}
