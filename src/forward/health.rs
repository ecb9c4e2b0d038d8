//! Active checks: a GET of the configured path, whose answer says whether a target may be asked.
//!
//! Each check is made by whichever worker finds it due first; what it found holds for all.

use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Request, Uri, header};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::forward::body::{RequestBody, RequestProgress};
use crate::forward::pool::Purpose;
use crate::forward::send::{Forwarder, speak};
use crate::snapshot::backend::CheckedTarget;
use crate::snapshot::standing::{Change, moment};

/// Makes the checks that are due. Called by the worker's tick.
pub fn check(forwarder: &Rc<Forwarder>, targets: &[CheckedTarget]) {
    for checked in targets {
        if !checked.target.standing.check_is_due(&checked.rule, moment()) {
            continue;
        }
        let (forwarder, checked) = (Rc::clone(forwarder), checked.clone());
        // owned by the worker's runtime; ends with the rule's time limit
        spawn_local(async move {
            let good =
                timeout(checked.rule.timeout, ask(&forwarder, &checked)).await.unwrap_or(false);
            forwarder.counters.health_checked(good);
            match checked.target.standing.checked(&checked.rule, good, moment()) {
                Some(Change::Unhealthy) => {
                    tracing::warn!(target: "portcullis::forward", backend = %checked.target.label, "target is unhealthy");
                }
                Some(Change::Healthy) => {
                    tracing::info!(target: "portcullis::forward", backend = %checked.target.label, "target is healthy again");
                }
                None => {}
            }
        });
    }
}

async fn ask(forwarder: &Forwarder, checked: &CheckedTarget) -> bool {
    let target = &checked.target;
    let Ok(uri) = checked.rule.path.parse::<Uri>() else { return false };
    let mut request = Request::new(RequestBody::empty(RequestProgress::new(&forwarder.deadlines)));
    *request.uri_mut() = uri;
    request.headers_mut().insert(header::HOST, target.authority.clone());
    request
        .headers_mut()
        .insert(header::USER_AGENT, HeaderValue::from_static("portcullis-health-check"));
    let Ok(mut lease) = Box::pin(forwarder.pools.connect(
        target,
        forwarder.pools.turn(target),
        Purpose::Exchange,
        Duration::MAX,
        Duration::MAX,
    ))
    .await
    else {
        return false;
    };
    if speak(&mut request, target, lease.is_http2()).is_err() {
        return false;
    }
    let answer = lease.send(Box::new(request)).await;
    answer.is_ok_and(|answer| answer.status().is_success() || answer.status().is_redirection())
}
