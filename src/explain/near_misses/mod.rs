//! Finds what the operator probably meant. These hints are for operators only; a client never sees
//! them.

mod clients;
mod tokens;

use crate::authorize::AuthorizationError;
use crate::explain::near_misses::clients::{
    consumer_key, consumer_key_claim, organizations, scope_claims, subscriptions,
};
use crate::explain::near_misses::tokens::{authentication, foreign_organization, issuers};
use crate::explain::request::ExplainRequest;
use crate::explain::{hosts, times};
use crate::jwt::Unverified;
use crate::model::clock::UnixSeconds;
use crate::model::names::Scope;
use crate::model::reason::Reason;
use crate::proxy::{Refusal, Why};
use crate::route::NotFound;
use crate::snapshot::Snapshot;
use crate::telemetry::refusals::Remembered;

/// Returns hints on a refusal.
pub(super) fn hints(
    snapshot: &Snapshot,
    refusal: &Refusal,
    question: &ExplainRequest,
    at: UnixSeconds,
) -> Vec<String> {
    match &refusal.why {
        Why::Route(not_found) => route(snapshot, not_found, question),
        Why::Blocked => vec!["set the API's lifecycle to \"published\" to serve it".to_owned()],
        Why::Authenticate(error) => authentication(snapshot, error, question, at),
        Why::Authorize(error, principal) => {
            let Some(principal) = principal else { return Vec::new() };
            let key_manager = principal.key_manager();
            match error {
                AuthorizationError::ConsumerKeyMissing => {
                    consumer_key_claim(key_manager, principal.claims().iter().map(|(name, _)| name))
                }
                AuthorizationError::ConsumerKeyUnknown => consumer_key(
                    snapshot,
                    key_manager,
                    principal.consumer_key().unwrap_or_default(),
                ),
                AuthorizationError::NotSubscribed => refusal
                    .api()
                    .map_or_else(Vec::new, |api| subscriptions(snapshot, principal, api)),
                AuthorizationError::InsufficientScope => {
                    let held: Vec<_> = principal.scopes().collect();
                    let needed = refusal.operation().map_or(&[][..], |operation| &operation.scopes);
                    let mut hints = vec![format!("the token has the scopes {held:?}")];
                    hints.extend(scope_claims(key_manager, principal.claims().iter(), needed));
                    hints
                }
                AuthorizationError::OrganizationMissing
                | AuthorizationError::OrganizationMismatch => organizations(snapshot, principal),
                AuthorizationError::Audience => {
                    vec![format!("the token's aud is {:?}", principal.claims().audiences())]
                }
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

fn route(snapshot: &Snapshot, not_found: &NotFound, question: &ExplainRequest) -> Vec<String> {
    match not_found {
        NotFound::Api => hosts::hints(snapshot, &question.host, question.uri.path()),
        NotFound::Operation { api } => {
            let Some(api) = snapshot.api(*api) else { return Vec::new() };
            let operations = api.definition.operations.iter().take(MOST);
            let listed: Vec<_> = operations
                .map(|operation| format!("{} {}", operation.method.as_str(), operation.template))
                .collect();
            vec![format!(
                "the API has {} operations, such as {}",
                api.definition.operations.len(),
                listed.join(", ")
            )]
        }
        NotFound::Method { allowed, .. } => vec![format!("this path allows {allowed:?}")],
        NotFound::PathParameters | NotFound::OtherReading => Vec::new(),
    }
}

/// Returns hints on a refusal of the past, of which only the record is left.
pub(super) fn of_remembered(
    snapshot: &Snapshot,
    refusal: &Remembered,
    token: Option<&Unverified<'_>>,
    at: UnixSeconds,
) -> Vec<String> {
    if refusal.reason == Reason::ApiNotFound {
        return hosts::hints(snapshot, &refusal.host, &refusal.path);
    }
    let Some(token) = token else { return Vec::new() };
    let named = refusal.key_manager.as_deref();
    let key_manager = snapshot
        .key_managers
        .iter()
        .find(|key_manager| named == Some(key_manager.definition.name.as_str()));
    match (refusal.reason, key_manager) {
        (Reason::UnknownIssuer, _) => {
            let foreign = foreign_organization(snapshot, token);
            if foreign.is_empty() {
                issuers(snapshot, token.issuer().unwrap_or_default())
            } else {
                foreign
            }
        }
        (
            Reason::TokenExpired | Reason::TokenNotYetValid | Reason::LifetimeTooLong,
            Some(key_manager),
        ) => times::hints(token, &key_manager.definition, at),
        (Reason::InsufficientScope, Some(key_manager)) => {
            let needed = operation_scopes(snapshot, refusal);
            scope_claims(key_manager, token.claims(), &needed)
        }
        (Reason::ConsumerKeyUnknown, Some(key_manager)) => {
            consumer_key(snapshot, key_manager, refusal.consumer_key.as_deref().unwrap_or_default())
        }
        (Reason::ConsumerKeyMissing, Some(key_manager)) => {
            consumer_key_claim(key_manager, token.claims().map(|(name, _)| name))
        }
        _ => Vec::new(),
    }
}

/// Returns the scopes that the operation needs now.
fn operation_scopes(snapshot: &Snapshot, refusal: &Remembered) -> Vec<Scope> {
    let name = refusal.api.as_deref().unwrap_or_default();
    let api = snapshot.routes.apis.iter().map(|api| &api.definition).find(|api| {
        name.strip_prefix(api.name.as_str()).is_some_and(|rest| rest.trim() == api.version.as_str())
    });
    let operations = api.into_iter().flat_map(|api| &api.operations).filter(|operation| {
        Some(operation.template.as_str()) == refusal.operation.as_deref()
            && ["*", &*refusal.method].contains(&operation.method.as_str())
    });
    operations.flat_map(|operation| operation.scopes.iter().cloned()).collect()
}

/// The most entries of a list in a hint.
const MOST: usize = 5;
