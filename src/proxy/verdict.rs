//! Draws the consequences of a decision, for the exchange and for the steps that follow.

use std::rc::Rc;
use std::sync::Arc;

use crate::authenticate::{
    AuthenticateError, BindingFault, CallerNames, PROOF_LIFETIME, Principal, ProofMark,
    credentials, shown,
};
use crate::authorize::{AuthorizationError, Grant, holders_elsewhere};
use crate::model::reason::Reason;
use crate::proxy::exchange::Exchange;
use crate::proxy::head::Head;
use crate::proxy::inbound::Inbound;
use crate::proxy::refusal::{Refusal, RefusalPlace, Why};
use crate::proxy::worker::Worker;
use crate::revocation::channel::used_proofs::Claimed;
use crate::snapshot::local::LocalSnapshot;
use crate::telemetry::refusals::Unsigned;
use crate::throttle::levels::CallFacts;
use crate::throttle::{Permitted, Throttled};

/// Takes a grant out of its snapshot, and notes the caller. It refuses a body that declares too
/// many bytes, before the body takes a place in flight or counts against a quota.
pub(super) fn permitted(
    exchange: &mut Exchange,
    snapshot: &LocalSnapshot,
    grant: &Grant<'_>,
    head: &Head<'_>,
    inbound: &Inbound,
) -> Result<Permitted, Refusal> {
    find_levels(snapshot, grant, exchange, head, inbound)?;
    let permitted = Permitted::new(snapshot, grant);
    let permitted = permitted.ok_or_else(|| Refusal::new(Reason::InternalError))?;
    exchange.permitted(&permitted);
    exchange.observed(grant.observed());
    if grant.observed() == Some(AuthorizationError::ConsumerKeyUnknown)
        && let Some(principal) = grant.principal()
    {
        warn_of_foreign_key(exchange, snapshot, principal);
    }
    if head.declared.is_some_and(|declared| permitted.body().refuses(declared.bytes)) {
        return Err(Refusal::new(Reason::BodyTooLarge));
    }
    Ok(permitted)
}

/// Claims the DPoP proof of the request, if all gateways share the proofs that were used.
pub(super) async fn claimed(
    worker: &Worker,
    exchange: &mut Exchange,
    inbound: &Inbound,
    permitted: Permitted,
    proof: Option<ProofMark>,
) -> Result<Permitted, Refusal> {
    let Some(mark) = proof else { return Ok(permitted) };
    let claimed = Box::pin(claim(worker, permitted, mark)).await;
    exchange.waited_unseen();
    claimed.inspect_err(|refusal| note_token(exchange, refusal, inbound))
}

/// Finds the policies that a granted request counts against. If a deny condition matches, the
/// request is refused.
fn find_levels(
    snapshot: &LocalSnapshot,
    grant: &Grant<'_>,
    exchange: &mut Exchange,
    head: &Head<'_>,
    inbound: &Inbound,
) -> Result<(), Refusal> {
    let headers = inbound.request.headers();
    let (query, client) = (head.query.as_deref(), exchange.head.client);
    let facts = CallFacts { headers, query, client };
    let found = exchange.levels.find(snapshot.local_throttling(), grant, &facts);
    found.map_err(|by| {
        let routed = grant.routed();
        let at = RefusalPlace { api: Arc::clone(routed.api()), operation: Some(routed.position()) };
        // the log names the caller that was refused
        if let Some(permitted) = Permitted::new(snapshot, grant) {
            exchange.permitted(&permitted);
        }
        at.refusal(Why::Throttle(Throttled::Denied(by)))
    })
}

/// Lets a DPoP proof pass that no other gateway has seen. If the channel does not answer, the
/// proofs that this gateway remembers must do.
async fn claim(
    worker: &Worker,
    permitted: Permitted,
    mark: ProofMark,
) -> Result<Permitted, Refusal> {
    let claims = worker.cache().revocations().claims();
    if claims.claim(mark, PROOF_LIFETIME).await != Claimed::Taken {
        return Ok(permitted);
    }
    let Some(principal) = permitted.principal() else { return Ok(permitted) };
    let key_manager = Arc::clone(principal.key_manager());
    let replayed = AuthenticateError::Binding { key_manager, fault: BindingFault::Replayed };
    let api = Arc::clone(permitted.api().compiled());
    let at = RefusalPlace { api, operation: Some(permitted.operation()) };
    Err(at.refusal(Why::Authenticate(replayed)))
}

/// Writes the known facts of a refused request into the exchange: for its log line, its metrics and
/// `explain`.
pub(super) fn refused(
    exchange: &mut Exchange,
    snapshot: &LocalSnapshot,
    refusal: &Refusal,
    inbound: &Inbound,
) {
    let Some(at) = &refusal.at else { return };
    if let Some(local) = snapshot.local_api(at.api.slot) {
        exchange.found(local, at.operation);
    }
    if matches!(refusal.why, Why::Preflight(_)) {
        return;
    }
    note_token(exchange, refusal, inbound);
    if let Why::Authorize(error, Some(principal)) = &refusal.why {
        if *error == AuthorizationError::ConsumerKeyUnknown {
            warn_of_foreign_key(exchange, snapshot, principal);
        }
        exchange.caller.names = names(snapshot, principal);
        exchange.caller.principal = Some(principal.clone());
    }
}

/// Counts a consumer key that an application has under another key manager than the token's, and
/// logs both names now and then. That happens in a migration that is half done.
fn warn_of_foreign_key(exchange: &Exchange, snapshot: &LocalSnapshot, principal: &Principal) {
    let (key_manager, consumer_key) = (principal.key_manager(), principal.consumer_key());
    let Some(consumer_key) = consumer_key else { return };
    let Some((holder, _)) = holders_elsewhere(snapshot, key_manager, consumer_key).next() else {
        return;
    };
    if key_manager.series.foreign_key(exchange.moment()) {
        tracing::warn!(
            target: "portcullis::proxy",
            key_manager = %key_manager.definition.name,
            consumer_key = shown(consumer_key),
            known_under = %holder,
            "a token names a consumer key that is known only under another key manager",
        );
    }
}

/// Keeps a refused token without its signature.
fn note_token(exchange: &mut Exchange, refusal: &Refusal, inbound: &Inbound) {
    let Some(api) = refusal.api() else { return };
    let header = &api.definition.authorization_header;
    let credential = credentials::credential(inbound.request.headers(), header).ok();
    exchange.caller.token = credential.and_then(|credential| Unsigned::of(credential.token));
}

/// Names the application that a refused principal belongs to.
fn names(snapshot: &LocalSnapshot, principal: &Principal) -> Option<Rc<CallerNames>> {
    let mapping = principal.key_manager().find(&snapshot.directory, principal.consumer_key()?)?;
    let application = snapshot.directory.application(mapping.application)?;
    Some(principal.caller(application.name, application.owner, mapping.key_type))
}
