//! Tells of refusals that `observe = true` lets through.

use crate::authorize::{AuthorizationError, Grant};
use crate::model::api::SubscriptionRule;
use crate::model::provenance::Provenance;

/// Returns the text about the subscription of a request that passed.
pub(super) fn subscription(
    rule: SubscriptionRule,
    observed: Option<AuthorizationError>,
) -> &'static str {
    match (rule, observed) {
        (SubscriptionRule::NotRequired, _) => "not required by the API",
        (
            SubscriptionRule::Required,
            Some(
                AuthorizationError::ConsumerKeyMissing
                | AuthorizationError::ConsumerKeyUnknown
                | AuthorizationError::NotSubscribed,
            ),
        ) => "missing",
        (SubscriptionRule::Required, _) => "in force",
    }
}

/// Returns the text about a refusal that is only observed, and the place of its `observe`.
pub(super) fn told(grant: &Grant<'_>, error: AuthorizationError) -> (String, Provenance) {
    let routed = grant.routed();
    let (api, operation) = (&routed.api().definition, routed.operation());
    let (whose, place) = match grant.principal().map(|own| &own.key_manager().definition) {
        _ if operation.observe => ("the operation", operation.place),
        _ if api.observes() => ("the API", api.place),
        Some(key_manager) => ("the key manager", key_manager.place),
        None => ("the API", api.place),
    };
    let reason = error.reason().label();
    (format!("would be refused ({reason}), observed: {error}; {whose} has observe = true"), place)
}
