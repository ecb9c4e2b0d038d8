//! What the operator probably meant: the thing beside the one that was asked for.
//!
//! For operators only; a client is never told any of this.

use crate::authenticate::{AuthenticateError, Principal};
use crate::authorize::AuthorizationError;
use crate::explain::question::ExplainRequest;
use crate::explain::{hosts, identity, inactive, scopes, times};
use crate::jwt::{JsonValue, Rejection, TokenKind, Unverified, WrongType};
use crate::model::clock::UnixSeconds;
use crate::model::names::{KeyManagerIndex, Scope};
use crate::model::reason::Reason;
use crate::proxy::decision::{Refused, Why};
use crate::route::NotFound;
use crate::snapshot::{CompiledApi, CompiledKeyManager, Routed, Snapshot};
use crate::telemetry::refusals::Remembered;

/// At most this many of a kind are listed.
const MOST: usize = 5;

/// Hints on a refusal.
pub(super) fn hints(
    snapshot: &Snapshot,
    refused: &Refused<'_>,
    question: &ExplainRequest,
    at: UnixSeconds,
) -> Vec<String> {
    match &refused.why {
        Why::Route(not_found) => route(snapshot, not_found, question),
        Why::Preflight(_) => Vec::new(),
        Why::Blocked => vec!["set the API's lifecycle to \"published\" to serve it".to_owned()],
        Why::Authenticate(error) => authentication(snapshot, error, question, at),
        Why::Authorize(refusal, principal) => {
            let Some(principal) = principal else { return Vec::new() };
            let key_manager = principal.key_manager();
            match refusal {
                AuthorizationError::ConsumerKeyMissing => {
                    consumer_key_claim(key_manager, principal.claims().iter().map(|(name, _)| name))
                }
                AuthorizationError::ConsumerKeyUnknown => consumer_key(
                    snapshot,
                    key_manager,
                    principal.consumer_key().unwrap_or_default(),
                ),
                AuthorizationError::NotSubscribed => {
                    let api = refused.api.and_then(|index| snapshot.api(index));
                    api.map_or_else(Vec::new, |api| subscriptions(snapshot, principal, api))
                }
                AuthorizationError::InsufficientScope => {
                    let held: Vec<_> = principal.scopes().collect();
                    let needed = refused.routed.as_ref().map(Routed::operation);
                    let needed = needed.map_or(&[][..], |operation| &operation.scopes);
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
    }
}

fn organizations(snapshot: &Snapshot, principal: &Principal) -> Vec<String> {
    let mapping = principal
        .consumer_key()
        .and_then(|client| principal.key_manager().find(&snapshot.directory, client));
    let application =
        mapping.and_then(|mapping| snapshot.directory.application(mapping.application));
    let wanted = application.and_then(|application| application.organization).unwrap_or("none");
    vec![format!(
        "the application is of {wanted:?}; the token is of {:?}",
        principal.organization().unwrap_or("none")
    )]
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
        NotFound::Method { allowed, .. } => vec![format!("this path takes {allowed:?}")],
        NotFound::PathParameters | NotFound::OtherReading => Vec::new(),
    }
}

fn authentication(
    snapshot: &Snapshot,
    error: &AuthenticateError,
    question: &ExplainRequest,
    at: UnixSeconds,
) -> Vec<String> {
    let unverified = question.token().and_then(|token| {
        Unverified::parse(token.as_bytes(), snapshot.limits.max_token_bytes).ok()
    });
    match error {
        AuthenticateError::UnknownIssuer { .. } | AuthenticateError::IssuerNotLearned { .. } => {
            issuers(snapshot, unverified.as_ref().and_then(Unverified::issuer).unwrap_or_default())
        }
        AuthenticateError::NobodysOwn { .. } => unverified.map_or_else(Vec::new, |token| {
            let foreign = foreign_organization(snapshot, &token);
            if foreign.is_empty() { identity::candidates(snapshot, &token) } else { foreign }
        }),
        AuthenticateError::Binding { fault, .. } => {
            identity::binding_hints(*fault, question, unverified.as_ref())
        }
        AuthenticateError::Inactive => {
            question.token().map_or_else(Vec::new, |token| inactive::hints(snapshot, token, at))
        }
        AuthenticateError::Token {
            key_manager,
            rejection:
                Rejection::Expired { .. } | Rejection::NotYetValid { .. } | Rejection::LifetimeTooLong,
            ..
        } => unverified
            .map_or_else(Vec::new, |token| times::hints(&token, &key_manager.definition, at)),
        AuthenticateError::Token { key_manager, rejection: Rejection::Audience, .. } => {
            let wanted = &key_manager.definition.rules.audiences;
            let said = unverified.as_ref().and_then(|token| token.claim("aud"));
            vec![format!(
                "the token's aud is {}; key manager \"{}\" takes any of {wanted:?}",
                identity::shown(said),
                key_manager.definition.name
            )]
        }
        AuthenticateError::Opaque => {
            vec!["write introspection_endpoint and credentials for the key manager that issues such tokens".to_owned()]
        }
        AuthenticateError::KeyManagerNotAllowed { .. } => {
            vec!["add the key manager to the API's key_managers".to_owned()]
        }
        AuthenticateError::Token {
            key_manager, rejection: Rejection::TokenType(wrong), ..
        } => {
            vec![kind(*wrong, key_manager)]
        }
        AuthenticateError::Token { key_manager, rejection, .. }
            if rejection.newer_keys_may_help() =>
        {
            let known: Vec<_> = key_manager
                .keys
                .current()
                .keys
                .iter()
                .flat_map(|keys| keys.key_ids().take(MOST).map(str::to_owned).collect::<Vec<_>>())
                .collect();
            vec![format!("the key set has the kids {known:?}")]
        }
        AuthenticateError::KeysUnavailable { key_manager, .. } => {
            let failure = key_manager.keys.status().last_failure;
            failure
                .map(|failure| format!("the last fetch of its key set failed: {failure}"))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Hints on a refusal that is only remembered.
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

/// The scopes of the operation that refused, as it is now.
fn operation_scopes(snapshot: &Snapshot, refusal: &Remembered) -> Vec<Scope> {
    let name = refusal.api.as_deref().unwrap_or_default();
    let api = snapshot.apis.iter().map(|api| &api.definition).find(|api| {
        name.strip_prefix(api.name.as_str()).is_some_and(|rest| rest.trim() == api.version.as_str())
    });
    let operations = api.into_iter().flat_map(|api| &api.operations).filter(|operation| {
        Some(operation.template.as_str()) == refusal.operation.as_deref()
            && matches!(operation.method.as_str(), method if method == "*" || method == &*refusal.method)
    });
    operations.flat_map(|operation| operation.scopes.iter().cloned()).collect()
}

/// Where the scopes stand that are missing where they are looked for.
fn scope_claims<'c>(
    key_manager: &CompiledKeyManager,
    claims: impl Iterator<Item = (&'c str, &'c JsonValue)>,
    needed: &[Scope],
) -> Vec<String> {
    let definition = &key_manager.definition;
    let read = definition.claims.scopes.as_deref().unwrap_or("scope");
    let found = scopes::elsewhere(claims, read, needed).into_iter().map(|(path, scope)| {
        format!(
            "the claim {path:?} holds {scope:?}, and scopes are read from {read:?}: write scopes_claim = {path:?} for key manager \"{}\"",
            definition.name
        )
    });
    found.collect()
}

/// A token whose `org_id` is of another organization than the key manager of its issuer.
fn foreign_organization(snapshot: &Snapshot, token: &Unverified<'_>) -> Vec<String> {
    let issuer = token.issuer().unwrap_or_default();
    let Some(key_manager) = snapshot.key_manager_of(issuer) else { return Vec::new() };
    let named = token.claim("org_id");
    match (&key_manager.definition.organization, named) {
        (Some(wanted), Some(named)) if named.as_str() != Some(wanted) => vec![format!(
            "the token's org_id is {}, and key manager \"{}\" is of the organization {wanted:?}: the token is of another organization \
             of this issuer",
            identity::shown(Some(named)),
            key_manager.definition.name
        )],
        _ => Vec::new(),
    }
}

/// What to send instead, or what to write for a server whose access tokens look so.
fn kind(wrong: WrongType, key_manager: &CompiledKeyManager) -> String {
    let name = &key_manager.definition.name;
    match wrong {
        WrongType::Header => {
            let accepted = &key_manager.definition.rules.token_types;
            let accepted = if accepted.is_empty() {
                "JWT, at+jwt or none".to_owned()
            } else {
                accepted.join(", ")
            };
            format!(
                "key manager \"{name}\" accepts the types {accepted}; if this is an access token, write its type in token_types"
            )
        }
        WrongType::Named { kind: TokenKind::Id, .. } | WrongType::IdToken { .. } => format!(
            "send the access_token of the same answer; if this server's access tokens look like this, write \
             id_tokens = \"allow\" for key manager \"{name}\""
        ),
        WrongType::Named { .. } => {
            "send the access_token of the server's answer, not another token".to_owned()
        }
    }
}

/// Issuers that differ only in what people overlook.
fn issuers(snapshot: &Snapshot, issuer: &str) -> Vec<String> {
    let mut hints = Vec::new();
    for key_manager in &snapshot.key_managers {
        let definition = &key_manager.definition;
        let learned = key_manager.keys.current().issuer.clone();
        let Some(known) = definition.issuer.clone().or(learned) else { continue };
        let known = known.as_str();
        if known == issuer && !definition.enabled {
            hints.push(format!(
                "key manager \"{}\" has this issuer, but is not enabled",
                definition.name
            ));
        } else if known != issuer && known.trim_end_matches('/') == issuer.trim_end_matches('/') {
            hints.push(format!("key manager \"{}\" has the issuer {known:?}, which differs only by a slash at the end", definition.name));
        } else if known != issuer && known.eq_ignore_ascii_case(issuer) {
            hints.push(format!("key manager \"{}\" has the issuer {known:?}, which differs only in the case of letters", definition.name));
        } else if known != issuer && without_scheme(known) == without_scheme(issuer) {
            hints.push(format!(
                "key manager \"{}\" has the issuer {known:?}, which differs only in the scheme",
                definition.name
            ));
        }
    }
    hints
}

fn without_scheme(issuer: &str) -> &str {
    issuer.split_once("://").map_or(issuer, |(_, rest)| rest)
}

/// The consumer key under another key manager.
fn consumer_key(
    snapshot: &Snapshot,
    key_manager: &CompiledKeyManager,
    consumer_key: &str,
) -> Vec<String> {
    let others = (0..snapshot.key_managers.len())
        .filter_map(|position| u16::try_from(position).ok())
        .map(KeyManagerIndex);
    let mut hints: Vec<_> = others
        .filter(|index| *index != key_manager.index)
        .filter_map(|index| {
            let mapping = snapshot.directory.find(index, consumer_key)?;
            let application = snapshot.directory.application(mapping.application)?;
            let other = &snapshot.key_manager(index)?.definition.name;
            Some(format!(
                "application {:?} has this consumer key under key manager \"{other}\"",
                application.name
            ))
        })
        .take(MOST)
        .collect();
    if hints.is_empty() {
        let claim =
            key_manager.definition.claims.consumer_key.as_deref().unwrap_or("consumerKey or azp");
        hints.push(format!("the consumer key {consumer_key:?} was read from the claim {claim}; add it to an application's keys"));
    }
    hints
}

fn consumer_key_claim<'c>(
    key_manager: &CompiledKeyManager,
    claims: impl Iterator<Item = &'c str>,
) -> Vec<String> {
    const USUAL: [&str; 5] = ["azp", "client_id", "cid", "appid", "consumerKey"];
    let usual: Vec<_> = claims.filter(|name| USUAL.contains(name)).collect();
    if usual.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "the token has the claims {usual:?}; set consumer_key_claim of key manager \"{}\" to the right one",
        key_manager.definition.name
    )]
}

/// The same API in another version.
fn subscriptions(snapshot: &Snapshot, principal: &Principal, api: &CompiledApi) -> Vec<String> {
    let mapping = principal
        .consumer_key()
        .and_then(|key| principal.key_manager().find(&snapshot.directory, key));
    let Some(mapping) = mapping else { return Vec::new() };
    let name = snapshot
        .directory
        .application(mapping.application)
        .map(|application| application.name)
        .unwrap_or_default();
    let subscribed = snapshot
        .directory
        .subscriptions(mapping.application)
        .filter_map(|view| snapshot.api(view.api));
    let same_name: Vec<_> =
        subscribed.filter(|other| other.definition.name == api.definition.name).collect();
    if same_name.is_empty() {
        let wanted = format!("{}:{}", api.definition.name, api.definition.version);
        return vec![format!("application {name:?} needs a subscription {{ api = \"{wanted}\" }}")];
    }
    let versions: Vec<_> =
        same_name.iter().map(|other| other.definition.version.as_str()).collect();
    vec![format!(
        "application {name:?} is subscribed to this API in version {}",
        versions.join(", ")
    )]
}
