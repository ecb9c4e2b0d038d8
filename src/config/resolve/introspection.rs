//! How a key manager's tokens are judged beside their signature: introspection, and which tokens are its own.

use std::time::Duration;

use crate::config::reader::Table;
use crate::config::resolve::secret::secret;
use crate::config::source::Sources;
use crate::model::handling::{Handling, Pattern};
use crate::model::key_manager::{Credentials, Introspection, TokenValidation};

/// How long an answer is believed where nothing is written.
const CACHE: Duration = Duration::from_mins(1);

pub(super) fn validation(table: &Table<'_>) -> TokenValidation {
    match table.choice("token_validation", &["self_validate_jwt", "introspection"]) {
        Some("introspection") => TokenValidation::Introspection,
        _ => TokenValidation::SelfValidate,
    }
}

/// Where tokens can be asked about; needed where all are, and where opaque ones are taken.
pub(super) fn introspection(table: &Table<'_>, endpoint: &str, sources: &Sources, validation: TokenValidation) -> Option<Introspection> {
    let credentials = table.table("credentials").and_then(|credentials| {
        let username = credentials.needed("username")?.value.to_owned();
        if !credentials.has("password") {
            credentials.problems().error(credentials.at(), "`key_managers.credentials.password` is missing".to_owned(), None);
        }
        Some(Credentials { username, password: secret(&credentials, "password", sources)? })
    });
    let asked = credentials.is_some() || table.has("client_certificate");
    if endpoint.is_empty() || !asked {
        if validation == TokenValidation::Introspection {
            let hint = "write `introspection_endpoint`, and `credentials` or `client_certificate`";
            table.error(
                "token_validation",
                "introspection needs an endpoint, and something to be known by".to_owned(),
                Some(hint.to_owned()),
            );
        }
        return None;
    }
    let cache = table.duration("introspection_cache").map_or(CACHE, |found| found.value);
    Some(Introspection { endpoint: endpoint.to_owned(), credentials, cache })
}

pub(super) fn handling(table: &Table<'_>) -> Vec<Handling> {
    let mut rules = Vec::new();
    for rule in table.tables("token_handling") {
        let pattern = |text: &str, at: &crate::config::report::At| match Pattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                rule.problems().error(at.clone(), format!("{text:?} is not a regular expression: {error}"), None);
                None
            }
        };
        match rule.choice("type", &["jwt", "reference"]) {
            Some("jwt") => {
                let claims = rule.named_texts("claims");
                if claims.is_empty() {
                    rule.problems().error(rule.at(), "`token_handling` of the type jwt names no claim".to_owned(), None);
                }
                let claims = claims.into_iter().filter_map(|(name, value)| Some((name.value.to_owned(), pattern(value.value, &value.at)?)));
                rules.push(Handling::Jwt { claims: claims.collect() });
            }
            Some("reference") => {
                let text = rule.wanted("pattern");
                rules.push(Handling::Reference { pattern: text.and_then(|text| pattern(text.value, &text.at)) });
            }
            _ => {
                if !rule.has("type") {
                    rule.problems().error(rule.at(), "`key_managers.token_handling.type` is missing".to_owned(), None);
                }
            }
        }
    }
    rules
}
