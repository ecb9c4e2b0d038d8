//! Hints on a token: its issuer, its kind, its times, its keys.

use crate::authenticate::AuthenticateError;
use crate::explain::request::ExplainRequest;
use crate::explain::{identity, inactive, times};
use crate::jwt::{Rejection, TokenKind, Unverified, WrongType};
use crate::key_managers::CompiledKeyManager;
use crate::model::clock::UnixSeconds;
use crate::snapshot::Snapshot;

pub(super) fn authentication(
    snapshot: &Snapshot,
    error: &AuthenticateError,
    question: &ExplainRequest,
    at: UnixSeconds,
) -> Vec<String> {
    let unverified = question.token().and_then(|token| {
        Unverified::parse(token.as_bytes(), snapshot.settings.limits.max_token_bytes).ok()
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
        AuthenticateError::Token { key_manager, rejection, .. } => {
            self::rejection(key_manager, rejection, unverified.as_ref(), at)
        }
        AuthenticateError::Opaque => {
            vec![
                "write introspection_endpoint and credentials for the key manager that issues \
                  such tokens"
                    .to_owned(),
            ]
        }
        AuthenticateError::KeyManagerNotAllowed { .. } => {
            vec!["add the key manager to the API's key_managers".to_owned()]
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

/// Returns hints on a token that a key manager refused.
fn rejection(
    key_manager: &CompiledKeyManager,
    rejection: &Rejection,
    token: Option<&Unverified<'_>>,
    at: UnixSeconds,
) -> Vec<String> {
    let definition = &key_manager.definition;
    match rejection {
        Rejection::Expired { .. } | Rejection::NotYetValid { .. } | Rejection::LifetimeTooLong => {
            token.map_or_else(Vec::new, |token| times::hints(token, definition, at))
        }
        Rejection::Audience => {
            let wanted = &definition.rules.audiences;
            let said = token.and_then(|token| token.claim("aud"));
            vec![format!(
                "the token's aud is {}; key manager \"{}\" accepts {wanted:?}",
                identity::shown(said),
                definition.name
            )]
        }
        Rejection::TokenType(wrong) => vec![kind(*wrong, key_manager)],
        rejection if rejection.newer_keys_may_help() => {
            let state = key_manager.keys.current();
            let keys = state.keys.iter();
            let known: Vec<_> = keys
                .flat_map(|keys| keys.key_ids().take(MOST).map(str::to_owned).collect::<Vec<_>>())
                .collect();
            vec![format!("the key set has the kids {known:?}")]
        }
        _ => Vec::new(),
    }
}

/// Returns known issuers that differ only in details that people overlook.
pub(super) fn issuers(snapshot: &Snapshot, issuer: &str) -> Vec<String> {
    let mut hints = Vec::new();
    for key_manager in snapshot.key_managers.iter() {
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
            hints.push(format!(
                "key manager \"{}\" has the issuer {known:?}, which differs only by \
                                a slash at the end",
                definition.name
            ));
        } else if known != issuer && known.eq_ignore_ascii_case(issuer) {
            hints.push(format!(
                "key manager \"{}\" has the issuer {known:?}, which differs only in \
                                upper and lower case",
                definition.name
            ));
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

/// Returns a hint if the token's `org_id` is not the organization of its issuer's key manager.
pub(super) fn foreign_organization(snapshot: &Snapshot, token: &Unverified<'_>) -> Vec<String> {
    let issuer = token.issuer().unwrap_or_default();
    let Some(key_manager) = snapshot.key_manager_of(issuer) else { return Vec::new() };
    let named = token.claim("org_id");
    match (key_manager.definition.organization_id(), named) {
        (Some(wanted), Some(named)) if named.as_str() != Some(wanted) => vec![format!(
            "the token's org_id is {}, but key manager \"{}\" has the organization {wanted:?}: the \
             token is for another organization of this issuer",
            identity::shown(Some(named)),
            key_manager.definition.name
        )],
        _ => Vec::new(),
    }
}

/// Returns the kind of token to send, or the setting for a server whose access tokens look like
/// this one.
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
                "key manager \"{name}\" accepts the types {accepted}; if this is an access token, \
                 add its type to token_types"
            )
        }
        WrongType::Named { kind: TokenKind::Id, .. } | WrongType::IdToken { .. } => format!(
            "send the access_token of the same answer; if this server's access tokens look like \
             this, write id_tokens = \"allow\" for key manager \"{name}\""
        ),
        WrongType::Named { .. } => {
            "send the access_token of the server's answer, not another token".to_owned()
        }
    }
}

/// The most entries of a list in a hint.
const MOST: usize = 5;
