//! Active checks: a GET of the configured path, whose answer tells whether a target is usable. The
//! worker that first finds a check due makes it, and its result holds for all.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Uri, header};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::backend::CheckedTarget;
use crate::backend::target_health::{HealthChange, TargetHealth, monotonic_millis};
use crate::forward::addressing::speak;
use crate::forward::body::progress::RequestProgress;
use crate::forward::body::request::RequestBody;
use crate::forward::failure::ForwardError;
use crate::forward::forwarder::Forwarder;
use crate::forward::pool::ConnectionPurpose;
use crate::forward::reachable_address::Way;

/// Makes the checks that are due, one for each address. Called by the worker's tick.
pub fn check(forwarder: &Rc<Forwarder>, targets: &[CheckedTarget]) {
    let now = monotonic_millis();
    for checked in targets {
        let CheckedTarget { target, rule } = checked;
        if target.address.is_some() {
            let own = target.healths.own();
            if own.check_is_due(rule, now) {
                start(forwarder, checked, target.address, Arc::clone(own));
            }
            continue;
        }
        for (address, health) in target.endpoints(&forwarder.pools.addresses(target), now) {
            if health.check_is_due(rule, now) {
                start(forwarder, checked, address, health);
            }
        }
    }
}

fn start(
    forwarder: &Rc<Forwarder>,
    checked: &CheckedTarget,
    address: Option<SocketAddr>,
    health: Arc<TargetHealth>,
) {
    let (forwarder, checked) = (Rc::clone(forwarder), checked.clone());
    // owned by the worker's runtime; ends with the rule's time limit
    spawn_local(async move {
        let CheckedTarget { target, rule } = &checked;
        let asked = timeout(rule.timeout, ask(&forwarder, &checked, address)).await;
        let Some(good) = asked.unwrap_or(Some(false)) else { return };
        forwarder.counters.health_checked(good);
        let address = address.map(tracing::field::display);
        match health.checked(rule, good, monotonic_millis()) {
            Some(HealthChange::Unhealthy) => {
                tracing::warn!(target: "portcullis::forward", backend = %target.label, address, "target is unhealthy");
            }
            Some(HealthChange::Healthy) => {
                tracing::info!(target: "portcullis::forward", backend = %target.label, address, "target is healthy again");
            }
            None => {}
        }
    });
}

/// Returns `None` if the check says nothing about the target: its name was only just resolved, or
/// this machine cannot open connections.
async fn ask(
    forwarder: &Forwarder,
    checked: &CheckedTarget,
    address: Option<SocketAddr>,
) -> Option<bool> {
    let target = &checked.target;
    let Some(address) = address else {
        let found = forwarder.pools.resolve(target, Duration::MAX).await;
        return found.err().filter(ForwardError::is_the_targets).map(|_| false);
    };
    let mut request = request(forwarder, checked)?;
    let way = Way::new(target, address, Vec::new(), &|_, _| {});
    let connected = Box::pin(forwarder.pools.connect(
        &way,
        ConnectionPurpose::Exchange,
        Duration::MAX,
        Duration::MAX,
    ))
    .await;
    let mut lease = match connected {
        Ok(lease) => lease,
        Err(error) => return error.is_the_targets().then_some(false),
    };
    if speak(&mut request, target, lease.is_http2()).is_err() {
        return Some(false);
    }
    let answer = lease.send(Box::new(request)).await;
    Some(
        answer.is_ok_and(|answer| answer.status().is_success() || answer.status().is_redirection()),
    )
}

fn request(forwarder: &Forwarder, checked: &CheckedTarget) -> Option<Request<RequestBody>> {
    let uri = checked.rule.path.parse::<Uri>().ok()?;
    let mut request = Request::new(RequestBody::empty(RequestProgress::new(&forwarder.deadlines)));
    *request.uri_mut() = uri;
    request.headers_mut().insert(header::HOST, checked.target.authority.clone());
    request
        .headers_mut()
        .insert(header::USER_AGENT, HeaderValue::from_static("portcullis-health-check"));
    Some(request)
}
