//! What the operator probably meant: the thing beside the one that was asked for.
//!
//! For operators only; a client is never told any of this.

use crate::authenticate::{AuthenticateError, Principal};
use crate::authorize::Refusal;
use crate::cli::explain::question::Question;
use crate::jwt::{Rejection, TokenKind, Unverified, WrongType};
use crate::model::names::KeyManagerIndex;
use crate::proxy::decision::{Refused, Why};
use crate::route::NotFound;
use crate::snapshot::{CompiledApi, CompiledKeyManager, Snapshot};

/// At most this many of a kind are listed.
const MOST: usize = 5;

/// Hints on a refusal.
pub(super) fn hints(
    snapshot: &Snapshot,
    refused: &Refused<'_>,
    question: &Question,
) -> Vec<String> {
    match &refused.why {
        Why::Route(not_found) => route(snapshot, not_found, question),
        Why::Preflight(_) => Vec::new(),
        Why::Blocked => vec!["set the API's lifecycle to \"published\" to serve it".to_owned()],
        Why::Authenticate(error) => authentication(snapshot, error, question),
        Why::Authorize(refusal, principal) => {
            let Some(principal) = principal else { return Vec::new() };
            let key_manager = principal.key_manager();
            match refusal {
                Refusal::ConsumerKeyMissing => {
                    consumer_key_claim(key_manager, principal.claims().iter().map(|(name, _)| name))
                }
                Refusal::ConsumerKeyUnknown => consumer_key(
                    snapshot,
                    key_manager,
                    principal.consumer_key().unwrap_or_default(),
                ),
                Refusal::NotSubscribed => {
                    let api = refused.api.and_then(|index| snapshot.api(index));
                    api.map_or_else(Vec::new, |api| subscriptions(snapshot, principal, api))
                }
                Refusal::InsufficientScope => {
                    let held: Vec<_> = principal.scopes().collect();
                    vec![format!("the token has the scopes {held:?}")]
                }
                Refusal::OrganizationMissing | Refusal::OrganizationMismatch => {
                    organizations(snapshot, principal)
                }
                Refusal::Audience => {
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

fn route(snapshot: &Snapshot, not_found: &NotFound, question: &Question) -> Vec<String> {
    match not_found {
        NotFound::Api => {
            let path = question.uri.path();
            let near = snapshot.apis.iter().filter(|api| {
                let definition = &api.definition;
                path.starts_with(&definition.context) || definition.base_path.starts_with(path)
            });
            let near = near.take(MOST).map(|api| {
                let hosts = if api.definition.hosts.is_empty() {
                    "any host".to_owned()
                } else {
                    format!("{:?}", api.definition.hosts)
                };
                format!(
                    "API {} {} is served at {} for {hosts}",
                    api.definition.name, api.definition.version, api.definition.base_path
                )
            });
            near.collect()
        }
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
    question: &Question,
) -> Vec<String> {
    let unverified = question.token().and_then(|token| {
        Unverified::parse(token.as_bytes(), snapshot.limits.max_token_bytes).ok()
    });
    match error {
        AuthenticateError::UnknownIssuer { .. } | AuthenticateError::IssuerNotLearned { .. } => {
            issuers(snapshot, unverified.as_ref().and_then(Unverified::issuer).unwrap_or_default())
        }
        AuthenticateError::NobodysOwn { .. } => unverified.map_or_else(Vec::new, |token| {
            crate::cli::explain::identity::candidates(snapshot, &token)
        }),
        AuthenticateError::Binding { fault, .. } => {
            crate::cli::explain::identity::binding_hints(*fault, question, unverified.as_ref())
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
