//! The tokens that a key manager judges: its own, and those that the API accepts of it.

use std::sync::Arc;

use crate::authenticate::error::AuthenticateError;
use crate::authenticate::reception::TokenReception;
use crate::authenticate::token_judge::TokenJudge;
use crate::jwt::{Claims, JsonValue, Unverified};
use crate::key_managers::{CompiledKeyManager, CompiledTemplate};
use crate::model::token_handling::{Pattern, TokenHandling};

/// Tells whether a token belongs to its key manager's organization. A token that names none does.
pub(super) fn is_of_organization(key_manager: &CompiledKeyManager, claims: &Claims) -> bool {
    let Some(wanted) = key_manager.definition.organization_id() else { return true };
    claims.get("org_id").is_none_or(|named| named.as_str() == Some(wanted))
}

/// Tells whether a key manager's rules claim a JWT. Without rules for JWTs, all tokens of its
/// issuer are its own.
pub(super) fn is_own(handling: &[TokenHandling], unverified: &Unverified<'_>) -> bool {
    let mut rules = handling.iter().filter_map(|rule| match rule {
        TokenHandling::Jwt { claims } => Some(claims),
        TokenHandling::Reference { .. } => None,
    });
    let fits = |claims: &Vec<(String, Pattern)>| {
        claims.iter().all(|(name, pattern)| match unverified.claim(name) {
            Some(JsonValue::String(text)) => pattern.matches(text),
            Some(JsonValue::Array(elements)) => {
                elements.iter().filter_map(JsonValue::as_str).any(|text| pattern.matches(text))
            }
            _ => false,
        })
    };
    let first = rules.next();
    first.is_none_or(|first| fits(first) || rules.any(fits))
}

/// Refuses a key manager that the API does not accept tokens of.
pub(super) fn take(
    reception: &impl TokenReception,
    key_manager: &Arc<CompiledKeyManager>,
) -> Result<(), AuthenticateError> {
    if reception.takes(key_manager) {
        Ok(())
    } else {
        let judge = TokenJudge::KeyManager(Arc::clone(key_manager));
        Err(AuthenticateError::KeyManagerNotAllowed { judge })
    }
}

/// Refuses a template that the API does not accept tokens of.
pub(super) fn take_template(
    reception: &impl TokenReception,
    template: &Arc<CompiledTemplate>,
) -> Result<(), AuthenticateError> {
    if reception.takes_template(template) {
        Ok(())
    } else {
        let judge = TokenJudge::Template(Arc::clone(template));
        Err(AuthenticateError::KeyManagerNotAllowed { judge })
    }
}
