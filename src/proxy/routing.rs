//! Finds the operation that a request is for, or the reason for which the gateway answers it
//! itself.

use std::sync::Arc;

use http::Method;

use crate::model::api::{Lifecycle, OperationMethod};
use crate::proxy::cors;
use crate::proxy::refusal::{Refusal, RefusalPlace, Why};
use crate::proxy::request_facts::RequestFacts;
use crate::route::NotFound;
use crate::snapshot::{CompiledApi, Routed, Snapshot};

/// Routes a request. A blocked API refuses all its paths alike; an API with CORS has its preflights
/// answered here.
pub(super) fn route<'s>(
    snapshot: &'s Snapshot,
    asked: &RequestFacts<'_>,
) -> Result<Routed<'s>, Refusal> {
    let found = snapshot.route(asked.host, asked.path, asked.method);
    let api = match &found {
        Ok(routed) => Some(routed.api()),
        Err(NotFound::Api | NotFound::PathParameters | NotFound::OtherReading) => None,
        Err(NotFound::Operation { api, .. } | NotFound::Method { api, .. }) => snapshot.api(*api),
    };
    let refuse = |why| {
        let at = api.map(|api| RefusalPlace { api: Arc::clone(api), operation: None });
        Err(Refusal { why, at })
    };
    if let Some(api) = api {
        if api.definition.lifecycle == Lifecycle::Blocked {
            return refuse(Why::Blocked);
        }
        if let Some(preflight) = preflight(api, &found, asked) {
            return refuse(preflight);
        }
    }
    match found {
        Ok(routed) => Ok(routed),
        Err(not_found) => refuse(Why::Route(not_found)),
    }
}

/// Answers an `OPTIONS` for the API: a preflight without an operation of its own, or any if the
/// path has no operation for it.
fn preflight(
    api: &CompiledApi,
    found: &Result<Routed<'_>, NotFound>,
    asked: &RequestFacts<'_>,
) -> Option<Why> {
    if *asked.method != Method::OPTIONS {
        return None;
    }
    let cors = api.definition.cors.as_ref()?;
    let served = match found {
        Ok(routed) => {
            let any = routed.operation().method == OperationMethod::Any
                && cors::is_preflight(asked.method, asked.headers);
            any.then_some(None)?
        }
        Err(NotFound::Method { allowed, .. }) => Some(allowed.as_slice()),
        Err(_) => return None,
    };
    Some(Why::Preflight(Box::new(cors::preflight(cors, served, asked.headers))))
}
