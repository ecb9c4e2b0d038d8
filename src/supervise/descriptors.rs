//! Reads how many files the process may have open, and compares it with `max_connections`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::budget::descriptors::Division;
use crate::model::Model;
use crate::supervise::workers;

/// Descriptors for standard streams, logs, the journal, the runtimes and the libraries.
const OWN: usize = 32;

/// Descriptors for each worker: runtime, DNS and a spare one.
const OWN_EACH_WORKER: usize = 12;

/// Raises the soft limit of open files to the hard one. Child processes inherit it.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (Some(soft), Some(hard)) = (current, maximum) else { return };
    if soft < hard
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(
            target: "portcullis::supervise",
            soft,
            hard,
            %error,
            "the limit of open files cannot be raised",
        );
    }
}

/// The limit that holds now; with `raised`, the one that holds after [`raise`].
pub fn limit(raised: bool) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit = if raised { maximum } else { current };
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// Divides the descriptors for this configuration.
pub fn division(model: &Model, limit: usize) -> Division {
    Division::of(limit, own(model), wanted(model))
}

/// Returns the warning for an operator, if `max_connections` cannot be reached.
pub fn warning(model: &Model, limit: usize) -> Option<String> {
    let (wanted, Division { clients, .. }) = (wanted(model), division(model, limit));
    let enough = Division::limit_for(own(model), wanted);
    (clients < wanted).then(|| {
        format!(
            "max_connections of all listeners is {wanted}, but with at most {limit} open files \
             {clients} clients can be \
             connected, with as many connections to backends; raise the limit to {enough} \
             (systemd: \
             LimitNOFILE={enough}; containers: ulimit nofile), or lower max_connections"
        )
    })
}

fn wanted(model: &Model) -> usize {
    model.listeners.iter().fold(0, |all, listener| all.saturating_add(listener.max_connections))
}

/// Returns the number of descriptors that the gateway itself needs. Each worker has a copy of each
/// listening socket.
fn own(model: &Model) -> usize {
    let workers = workers::count(model.gateway.workers);
    let sockets = model.listeners.len().saturating_mul(workers.saturating_add(1));
    workers.saturating_mul(OWN_EACH_WORKER).saturating_add(sockets).saturating_add(OWN)
}
