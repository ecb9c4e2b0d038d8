//! How a key manager's tokens are judged beside their signature: introspection, and which tokens are its own.

use std::time::Duration;

use crate::config::pem;
use crate::config::reader::Table;
use crate::config::resolve::secret::secret;
use crate::config::source::Sources;
use crate::model::handling::{Handling, Pattern};
use crate::model::key_manager::{ClientProof, Credentials, Introspection, TokenValidation};

/// How long an answer is believed where nothing is written.
const CACHE: Duration = Duration::from_mins(1);

const HINT: &str =
    "write `introspection_endpoint` or `well_known_url`, and `credentials` or `client_certificate`";

pub(super) fn validation(table: &Table<'_>) -> TokenValidation {
    match table.choice("token_validation", &["self_validate_jwt", "introspection"]) {
        Some("introspection") => TokenValidation::Introspection,
        _ => TokenValidation::SelfValidate,
    }
}

/// Where tokens can be asked about; needed where all are, and where opaque ones are taken. An endpoint that is not written is
/// the discovery document's, but only for who wrote `credentials` or asks about every token.
pub(super) fn introspection(
    table: &Table<'_>,
    endpoint: &str,
    sources: &Sources,
    validation: TokenValidation,
) -> Option<Introspection> {
    let certificate = table.has("client_certificate");
    let credentials =
        table.table("credentials").map(|table| credentials(&table, sources, certificate));
    let known = credentials.is_some() || certificate;
    let all = validation == TokenValidation::Introspection;
    let learned = table.has("well_known_url") && (credentials.is_some() || all);
    if !known || (endpoint.is_empty() && !learned) {
        let told = |key| {
            table.error(
                key,
                "introspection needs an endpoint, and something to be known by".to_owned(),
                Some(HINT.to_owned()),
            );
        };
        if all {
            told("token_validation");
        } else if table.has("introspection_signed") {
            told("introspection_signed");
        }
        return None;
    }
    let signed = table.flag("introspection_signed", false);
    let keys = table.has("certificates") || table.has("well_known_url");
    if signed && !keys {
        let message = "`introspection_signed` needs the server's keys".to_owned();
        table.error(
            "introspection_signed",
            message,
            Some("write `certificates` or `well_known_url`".to_owned()),
        );
    }
    let credentials = match credentials {
        Some(Some(credentials)) => Some(credentials),
        // what is wrong with them was told
        Some(None) => return None,
        None => None,
    };
    if signed && credentials.is_none() {
        let message = "`introspection_signed` needs `credentials.username`: a signed answer says whom it is for".to_owned();
        table.error("introspection_signed", message, None);
    }
    let cache = table.duration("introspection_cache").map_or(CACHE, |found| found.value);
    Some(Introspection {
        endpoint: Some(endpoint.to_owned()).filter(|endpoint| !endpoint.is_empty()),
        credentials,
        cache,
        signed,
    })
}

/// One of a password, a key and the client certificate.
fn credentials(table: &Table<'_>, sources: &Sources, certificate: bool) -> Option<Credentials> {
    let username = table.needed("username")?.value.to_owned();
    let text = |key| table.wanted(key).map(|text| text.value.to_owned());
    let proof = match (table.has("password"), table.wanted("key")) {
        (true, None) => ClientProof::Password(secret(table, "password", sources)?),
        (false, Some(named)) => {
            let key = pem::file(&named, sources, table.problems())?;
            ClientProof::Key { key, id: text("key_id"), audience: text("audience") }
        }
        (false, None) if certificate && !table.has("key") => ClientProof::Certificate,
        _ => {
            let message =
                "`key_managers.credentials` takes exactly one of password and key".to_owned();
            table.problems().error(
                table.at(),
                message,
                Some("a client certificate needs neither".to_owned()),
            );
            return None;
        }
    };
    for key in ["key_id", "audience"]
        .into_iter()
        .filter(|key| table.has(key) && !matches!(proof, ClientProof::Key { .. }))
    {
        table.error(
            key,
            format!("`key_managers.credentials.{key}` does nothing without `key`"),
            None,
        );
    }
    Some(Credentials { username, proof })
}

pub(super) fn handling(table: &Table<'_>) -> Vec<Handling> {
    let mut rules = Vec::new();
    for rule in table.tables("token_handling") {
        let pattern = |text: &str, at: &crate::config::report::At| match Pattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                rule.problems().error(
                    at.clone(),
                    format!("{text:?} is not a regular expression: {error}"),
                    None,
                );
                None
            }
        };
        match rule.choice("type", &["jwt", "reference"]) {
            Some("jwt") => {
                let claims = rule.named_texts("claims");
                if claims.is_empty() {
                    rule.problems().error(
                        rule.at(),
                        "`token_handling` of the type jwt names no claim".to_owned(),
                        None,
                    );
                }
                let claims = claims.into_iter().filter_map(|(name, value)| {
                    Some((name.value.to_owned(), pattern(value.value, &value.at)?))
                });
                rules.push(Handling::Jwt { claims: claims.collect() });
            }
            Some("reference") => {
                let text = rule.wanted("pattern");
                rules.push(Handling::Reference {
                    pattern: text.and_then(|text| pattern(text.value, &text.at)),
                });
            }
            _ => {
                if !rule.has("type") {
                    rule.problems().error(
                        rule.at(),
                        "`key_managers.token_handling.type` is missing".to_owned(),
                        None,
                    );
                }
            }
        }
    }
    rules
}
