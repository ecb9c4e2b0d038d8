//! Reads how tokens are validated beyond their signature: introspection with its credentials, and
//! token handling.

use std::time::Duration;

use crate::config::contract::{CREDENTIAL_METHODS, CREDENTIALS, CREDENTIALS_FILE};
use crate::config::pem;
use crate::config::reader::Table;
use crate::config::resolve::secret::secret;
use crate::config::source::Sources;
use crate::model::key_manager::{
    ClientProof, Credentials, Introspection, KeyManagerType, OnIntrospectionFailure, SecretCarrier,
    TokenValidation,
};
use crate::model::token_handling::{Pattern, TokenHandling};

/// The default of `introspection_cache`.
const CACHE: Duration = Duration::from_mins(1);

const HINT: &str =
    "write `introspection_endpoint` or `well_known_url`, and `credentials` or `client_certificate`";

/// The default of `introspect_every`.
const EVERY: Duration = Duration::from_mins(1);

pub(super) fn validation(table: &Table<'_>) -> TokenValidation {
    let written = table.choice("token_validation", &["self_validate_jwt", "introspection", "both"]);
    if written == Some("both") {
        let every = table.time("introspect_every", EVERY);
        let on_failure = match table.choice("on_introspection_failure", &["refuse", "allow"]) {
            Some("allow") => {
                let message =
                    "a revoked token is accepted while its server cannot be reached".to_owned();
                let hint =
                    "remove `on_introspection_failure` to refuse with 503 instead".to_owned();
                let at = table.at_key("on_introspection_failure");
                table.problems().warning(at, message, Some(hint));
                OnIntrospectionFailure::Allow
            }
            _ => OnIntrospectionFailure::Refuse,
        };
        return TokenValidation::Both { every, on_failure };
    }
    // a default that does nothing is no mistake
    let every = table.time("introspect_every", EVERY) != EVERY;
    let allows = table.choice("on_introspection_failure", &["refuse", "allow"]) == Some("allow");
    let told = [("introspect_every", every), ("on_introspection_failure", allows)];
    for (key, _) in told.into_iter().filter(|(_, told)| *told) {
        let message =
            format!("`{}` has no effect without `token_validation = \"both\"`", table.path(key));
        table.error(key, message, None);
    }
    match written {
        Some("introspection") => TokenValidation::Introspection,
        _ => TokenValidation::SelfValidate,
    }
}

/// `credentials`, if they are written, and if they are right.
pub(super) type WrittenCredentials = Option<Option<Credentials>>;

/// Reads `credentials`.
pub(super) fn written_credentials(
    table: &Table<'_>,
    sources: &Sources,
    kind: KeyManagerType,
) -> WrittenCredentials {
    let certificate = table.has("client_certificate");
    table.table("credentials").map(|table| credentials(&table, sources, certificate, kind))
}

/// Reads the introspection settings, which are needed if the server must confirm every token, or if
/// opaque tokens are accepted. If no endpoint is written, the discovery document's is used; but
/// only if the operator wrote `credentials` or wants every token confirmed.
pub(super) fn introspection(
    table: &Table<'_>,
    endpoint: &str,
    validation: TokenValidation,
    written: &WrittenCredentials,
) -> Option<Introspection> {
    let certificate = table.has("client_certificate");
    let single = table.has("credentials_for");
    let known = written.is_some() || certificate || single;
    let all = validation != TokenValidation::SelfValidate;
    let learned = table.has("well_known_url") && (written.is_some() || single || all);
    if !known || (endpoint.is_empty() && !learned) {
        let told = |key| {
            table.error(
                key,
                "introspection needs an endpoint and the gateway's credentials".to_owned(),
                Some(HINT.to_owned()),
            );
        };
        if all {
            told("token_validation");
        } else if table.has("introspection_signed") {
            told("introspection_signed");
        } else if !endpoint.is_empty() {
            unused(table);
        }
        return None;
    }
    let credentials = match written {
        Some(Some(credentials)) => Some(credentials.clone()),
        // their errors are reported already
        Some(None) => return None,
        None => None,
    };
    let signed = table.flag("introspection_signed", false);
    if signed {
        check_signed(table, credentials.as_ref(), single);
    }
    let cache = table.duration("introspection_cache").map_or(CACHE, |found| found.value);
    Some(Introspection {
        endpoint: Some(endpoint.to_owned()).filter(|endpoint| !endpoint.is_empty()),
        credentials,
        cache,
        signed,
    })
}

/// Warns of an endpoint that is never asked.
fn unused(table: &Table<'_>) {
    let message = "`introspection_endpoint` has no effect without credentials".to_owned();
    let hint =
        "write `credentials` to accept opaque tokens (`credentials = { method = \"none\" }` \
                if the server wants none), or remove the endpoint"
            .to_owned();
    table.problems().warning(table.at_key("introspection_endpoint"), message, Some(hint));
}

fn check_signed(table: &Table<'_>, credentials: Option<&Credentials>, single: bool) {
    if !table.has("certificates") && !table.has("well_known_url") {
        let message = "`introspection_signed` needs the server's keys".to_owned();
        table.error(
            "introspection_signed",
            message,
            Some("write `certificates` or `well_known_url`".to_owned()),
        );
    }
    if !credentials.map_or(single, |credentials| !credentials.username.is_empty()) {
        let message = "`introspection_signed` needs `credentials.username`, which is the audience \
                       of a signed answer"
            .to_owned();
        table.error("introspection_signed", message, None);
    }
}

/// Reads the credentials of single organizations, each from a file of its own.
pub(super) fn credentials_for(
    table: &Table<'_>,
    sources: &Sources,
    kind: KeyManagerType,
) -> Vec<(String, Credentials)> {
    let certificate = table.has("client_certificate");
    let mut found: Vec<(String, Credentials)> = Vec::new();
    for entry in table.tables("credentials_for") {
        let (Some(organization), Some(file)) = (entry.needed("organization"), entry.needed("file"))
        else {
            continue;
        };
        if found.iter().any(|(known, _)| known == organization.value) {
            let message =
                format!("the organization {:?} has credentials already", organization.value);
            table.problems().error(organization.at, message, None);
            continue;
        }
        // a file that cannot be read is reported already
        let Some((file, members)) = sources.named(&sources.resolve(file.value)) else { continue };
        let whole = members.iter().any(|member| member.name == "credentials");
        let rule = if whole { &CREDENTIALS_FILE } else { &CREDENTIALS };
        let root = Table::root(file, members, rule, table.problems());
        let own = if whole { root.table("credentials") } else { Some(root) };
        let own = own.and_then(|own| credentials(&own, sources, certificate, kind));
        found.extend(own.map(|own| (organization.value.to_owned(), own)));
    }
    found
}

/// Reads how the gateway authenticates: exactly one of a secret, a key, the client certificate and
/// nothing.
fn credentials(
    table: &Table<'_>,
    sources: &Sources,
    certificate: bool,
    kind: KeyManagerType,
) -> Option<Credentials> {
    let method = table.choice("method", CREDENTIAL_METHODS);
    if table.has("method") && method.is_none() {
        return None;
    }
    let none = method == Some("none");
    let username = if none && !table.has("username") {
        String::new()
    } else {
        table.needed("username")?.value.to_owned()
    };
    let proof = proof(table, sources, certificate, kind, method)?;
    for key in ["key_id", "audience"]
        .into_iter()
        .filter(|key| table.has(key) && !matches!(proof, ClientProof::Key { .. }))
    {
        table.error(
            key,
            format!("`key_managers.credentials.{key}` has no effect without `key`"),
            None,
        );
    }
    if let ClientProof::Password { carrier: SecretCarrier::BasicRaw, .. } = proof
        && username.contains(':')
    {
        let message = "a client id that contains \":\" cannot be sent with the method \
                       \"basic_raw\": the server could not tell it from the secret";
        let hint =
            "write `method = \"basic\"` or `method = \"post\"`, whichever the server accepts";
        table.error("username", message.to_owned(), Some(hint.to_owned()));
    }
    Some(Credentials { username, proof })
}

fn proof(
    table: &Table<'_>,
    sources: &Sources,
    certificate: bool,
    kind: KeyManagerType,
    method: Option<&str>,
) -> Option<ClientProof> {
    let text = |key| table.wanted(key).map(|text| text.value.to_owned());
    Some(match (method, table.has("password"), table.wanted("key")) {
        (None | Some("basic" | "basic_raw" | "post"), true, None) => {
            let secret = secret(table, "password", sources)?;
            let carrier = match method {
                Some("basic") => SecretCarrier::Basic,
                Some("basic_raw") => SecretCarrier::BasicRaw,
                Some("post") => SecretCarrier::Form,
                _ => kind.default_carrier(),
            };
            ClientProof::Password { secret, carrier }
        }
        (None | Some("private_key_jwt"), false, Some(named)) => {
            let key = pem::file(&named, sources, table.problems())?;
            ClientProof::Key { key, id: text("key_id"), audience: text("audience") }
        }
        (None, false, None) if certificate && !table.has("key") => ClientProof::Certificate,
        (Some("none"), false, None) if !table.has("key") => ClientProof::None,
        _ => {
            let (message, hint) = match method {
                Some("private_key_jwt") => (
                    "the method \"private_key_jwt\" needs `key`, and no password",
                    "`portcullis jwk FILE` prints the public key to register at the server",
                ),
                Some("none") => (
                    "the method \"none\" allows neither a password nor a key",
                    "write it if the server wants no credentials, or only the client certificate",
                ),
                Some(_) => (
                    "the methods \"basic\", \"basic_raw\" and \"post\" need `password`, and no key",
                    "write `password`, or `method = \"private_key_jwt\"`",
                ),
                None => (
                    "`key_managers.credentials` needs exactly one of `password` and `key`",
                    "with a client certificate neither is needed; write `method = \"none\"` if the \
                     server wants no credentials",
                ),
            };
            table.problems().error(table.at(), message.to_owned(), Some(hint.to_owned()));
            return None;
        }
    })
}

pub(super) fn handling(table: &Table<'_>) -> Vec<TokenHandling> {
    let mut rules = Vec::new();
    for rule in table.tables("token_handling") {
        let pattern = |text: &str, at: &crate::config::problems::At| match Pattern::new(text) {
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
                        "`token_handling` of type \"jwt\" names no claim".to_owned(),
                        None,
                    );
                }
                let claims = claims.into_iter().filter_map(|(name, value)| {
                    Some((name.value.to_owned(), pattern(value.value, &value.at)?))
                });
                rules.push(TokenHandling::Jwt { claims: claims.collect() });
            }
            Some("reference") => {
                let text = rule.wanted("pattern");
                rules.push(TokenHandling::Reference {
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
