//! Examines a sample token: its signature, the claims for client and scopes, and its faults.
//! Everything comes in as an argument: token, document, keys and time.

use crate::cli::import::evidence::{self, ClientEvidence, Scopes};
use crate::cli::import::issuer::{self, Difference};
use crate::cli::import::sample::{SignedSample, TokenSample};
use crate::cli::import::text::{shown, span};
use crate::cli::import::trouble::{OpaqueForm, Trouble};
use crate::jwt::kind::CLIENTS;
use crate::jwt::{KeySet, Rejection, TokenKind, WrongType};
use crate::model::clock::UnixSeconds;
use crate::model::key_manager::{ClaimNames, KeyManagerType};

/// The facts that a token is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) issuer: &'c str,
    pub(super) kind: KeyManagerType,
    pub(super) keys: &'c KeySet,
    pub(super) now: UnixSeconds,
    pub(super) asking: IntrospectionAdvice,
}

/// The possibility to ask the server about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntrospectionAdvice {
    /// No introspection endpoint is known.
    Impossible,
    Possible,
    /// The server was asked; its answer is written beside the diagnosis.
    Asked,
}

/// The result.
#[derive(Debug, Default)]
pub(super) struct Diagnosis<'t> {
    /// The algorithm and the key, if the signature is good.
    pub(super) signed_with: Option<String>,
    /// An issuer with a good signature that differs from the document's only in its spelling.
    pub(super) other_issuer: Option<&'t str>,
    pub(super) troubles: Vec<Trouble>,
    pub(super) client: Option<ClientEvidence<'t>>,
    pub(super) scopes: Option<Scopes<'t>>,
    pub(super) audiences: Vec<&'t str>,
}

pub(super) fn diagnose<'t>(sample: &'t TokenSample, context: Context<'_>) -> Diagnosis<'t> {
    let only = |trouble| Diagnosis { troubles: vec![trouble], ..Diagnosis::default() };
    match sample {
        TokenSample::Opaque(_) | TokenSample::Encrypted(_)
            if context.asking == IntrospectionAdvice::Asked =>
        {
            Diagnosis::default()
        }
        TokenSample::Opaque(_) => only(opaque(OpaqueForm::Reference, context)),
        TokenSample::Encrypted(_) => only(opaque(OpaqueForm::Encrypted, context)),
        TokenSample::Broken(part, _) => only(Trouble::Broken { part }),
        TokenSample::Signed(token) => signed(token, context),
    }
}

fn opaque(form: OpaqueForm, context: Context<'_>) -> Trouble {
    match (context.asking, form) {
        (IntrospectionAdvice::Impossible, OpaqueForm::Reference) => {
            Trouble::Unreadable { form, hint: jwt_hint(context.kind) }
        }
        (IntrospectionAdvice::Impossible, OpaqueForm::Encrypted) => {
            Trouble::Unreadable { form, hint: encryption_hint(context.kind) }
        }
        (IntrospectionAdvice::Possible | IntrospectionAdvice::Asked, _) => {
            Trouble::ForItsServer { form }
        }
    }
}

fn signed<'t>(token: &'t SignedSample, context: Context<'_>) -> Diagnosis<'t> {
    let verdict = token.verify(context.keys, context.kind, context.now);
    let has_good_signature = match &verdict {
        Ok(()) => true,
        Err(rejection) => is_about_claims(rejection),
    };
    let mut troubles = Vec::new();
    troubles.extend(kind(token, context));
    troubles.extend(issuer_trouble(token, context.issuer, has_good_signature));
    if let Err(rejection) = verdict {
        troubles.extend(refusal(token, rejection, context, &troubles));
    }
    let named = troubles.iter().any(|trouble| !trouble.leaves_evidence());
    let resembles = if named { None } else { resembles_id_token(token) };
    troubles.extend(resembles.map(|because| Trouble::PerhapsIdToken { because }));
    troubles.extend(time(token, context.now));
    if token.has("cnf") {
        troubles.push(Trouble::Bound);
    }
    let mut diagnosis = Diagnosis { audiences: token.audiences(), ..Diagnosis::default() };
    if has_good_signature {
        let key = token.header("kid").map_or_else(
            || "the only key of the set that matches".to_owned(),
            |id| format!("the key {} of the set", shown(id)),
        );
        diagnosis.signed_with =
            Some(format!("{} with {key}", token.header("alg").unwrap_or_default()));
        if token.header("kid").is_none() {
            troubles.push(Trouble::NoKeyId);
        }
    }
    let is_spelling = |trouble: &Trouble| {
        matches!(
            trouble,
            Trouble::Issuer {
                difference: Difference::Slash | Difference::Case | Difference::Scheme,
                has_good_signature: true,
                ..
            }
        )
    };
    if troubles.iter().any(is_spelling) {
        diagnosis.other_issuer = token.text("iss");
    }
    if troubles.iter().all(Trouble::leaves_evidence) {
        look(token, &context.kind.default_claims(), &mut diagnosis, &mut troubles);
    }
    diagnosis.troubles = troubles;
    diagnosis
}

/// Finds the claims for client and scopes, with their oddities.
fn look<'t>(
    token: &'t SignedSample,
    defaults: &ClaimNames,
    diagnosis: &mut Diagnosis<'t>,
    troubles: &mut Vec<Trouble>,
) {
    let claims = token.claims();
    diagnosis.client = evidence::client(claims, defaults);
    diagnosis.scopes = evidence::scopes(claims, defaults);
    match &diagnosis.client {
        None => {
            let names: Vec<String> =
                claims.keys().take(MOST_NAMES).map(|name| shown(name)).collect();
            troubles.push(Trouble::NoClient { present: names.join(", ") });
        }
        Some(client) if !client.contradicted_by.is_empty() => {
            troubles.push(Trouble::Clients {
                claim: client.claim.clone(),
                others: client.contradicted_by.join(", "),
            });
        }
        Some(_) => {}
    }
    match &diagnosis.scopes {
        None => troubles.push(Trouble::NoScopes),
        Some(scopes) if !scopes.beside.is_empty() => {
            troubles.push(Trouble::MoreScopes {
                claim: scopes.claim.clone(),
                others: scopes.beside.join(", "),
            });
        }
        Some(_) => {}
    }
}

/// Returns the kind of token, if it is not an access token for an API of the operator's.
fn kind(token: &SignedSample, context: Context<'_>) -> Option<Trouble> {
    if let Some(trouble) = for_microsoft(token, context.kind) {
        return Some(trouble);
    }
    let because = |member: &str| match token.kind_word(member) {
        Some(word) => format!("`{member}` is {word}"),
        None => format!("`{member}` names it"),
    };
    match token.wrong_type(context.kind)? {
        // the refusal has the remedy
        WrongType::Header => None,
        WrongType::Named { member, kind: TokenKind::Id } => {
            Some(Trouble::IdToken { because: because(member) })
        }
        WrongType::Named { member, kind } => {
            Some(Trouble::OtherKind { kind, because: because(member) })
        }
        WrongType::IdToken { mark } => {
            Some(Trouble::IdToken { because: format!("it has `{mark}` and no scopes") })
        }
    }
}

/// Returns why the token may be an ID token after all. The gateway accepts it, because some access
/// tokens look the same.
fn resembles_id_token(token: &SignedSample) -> Option<String> {
    let is_access = token.header("typ").map(media_type).is_some_and(|name| name == "at+jwt")
        || ["scope", "scp", "aut", "gty", "cid", "azpacr", "appidacr", "token_use", "tokenName"]
            .iter()
            .any(|claim| token.has(claim))
        || token.text("typ").is_some_and(|name| name.eq_ignore_ascii_case("bearer"));
    if is_access {
        return None;
    }
    let audiences = token.audiences();
    let client = ["azp", "client_id"]
        .iter()
        .find(|claim| token.text(claim).is_some_and(|client| audiences == [client]));
    if let Some(claim) = client {
        return Some(format!("`aud` is the client itself, as in `{claim}`, and it has no scopes"));
    }
    let names_no_client = CLIENTS.iter().all(|claim| !token.has(claim));
    let person =
        ["email", "preferred_username", "given_name"].iter().find(|claim| token.has(claim));
    person
        .filter(|_| names_no_client)
        .map(|claim| format!("it has `{claim}`, and neither scopes nor a client"))
}

fn for_microsoft(token: &SignedSample, kind: KeyManagerType) -> Option<Trouble> {
    let audiences = token.audiences();
    let resource = MICROSOFT.into_iter().find(|(audience, _)| {
        audiences.iter().any(|found| found.trim_end_matches('/') == *audience)
    });
    let is_entra = kind == KeyManagerType::AzureAD
        || token.text("iss").is_some_and(|issuer| issuer::entra_version(issuer).is_some());
    match resource {
        Some((audience, resource)) => {
            Some(Trouble::ForMicrosoft { resource, because: format!("`aud` is {audience}") })
        }
        None if is_entra && token.has_header("nonce") => Some(Trouble::ForMicrosoft {
            resource: "Microsoft's own APIs",
            because: "its header has a `nonce`".to_owned(),
        }),
        None => None,
    }
}

fn issuer_trouble(
    token: &SignedSample,
    document: &str,
    has_good_signature: bool,
) -> Option<Trouble> {
    let Some(found) = token.text("iss") else { return Some(Trouble::NoIssuer) };
    let difference = issuer::difference(document, found)?;
    Some(Trouble::Issuer { found: shown(found), difference, has_good_signature })
}

/// Returns true if the signature was good and another rule refused the token: rules are applied
/// after the signature.
fn is_about_claims(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::Expired { .. }
            | Rejection::NotYetValid { .. }
            | Rejection::LifetimeTooLong
            | Rejection::TokenType(_)
            | Rejection::Audience
            | Rejection::InvalidClaim { .. }
    )
}

/// Returns the gateway's refusal in an importer's words, unless another finding explains it.
fn refusal(
    token: &SignedSample,
    rejection: Rejection,
    context: Context<'_>,
    above: &[Trouble],
) -> Option<Trouble> {
    let explained = above.iter().any(|trouble| !trouble.leaves_evidence());
    let algorithm = token.header("alg").unwrap_or_default();
    match rejection {
        Rejection::Algorithm { .. } if algorithm.to_ascii_uppercase().starts_with("HS") => {
            Some(Trouble::SharedSecret {
                algorithm: shown(algorithm),
                hint: algorithm_hint(context.kind),
            })
        }
        Rejection::Algorithm { .. } if algorithm.eq_ignore_ascii_case("none") => {
            Some(Trouble::Unsigned)
        }
        Rejection::UnknownKey { key_id: Some(_) } => {
            let known: Vec<String> = context.keys.key_ids().take(MOST_NAMES).map(shown).collect();
            let known =
                if known.is_empty() { "keys without names".to_owned() } else { known.join(", ") };
            Some(Trouble::KeyNotInSet {
                key_id: shown(token.header("kid").unwrap_or_default()),
                known,
            })
        }
        Rejection::BadSignature => (!explained).then_some(Trouble::BadSignature),
        // the finding about the time explains it, whatever the signature
        Rejection::Expired { .. } | Rejection::NotYetValid { .. }
            if time(token, context.now).is_some() =>
        {
            None
        }
        Rejection::TokenType(_) if explained => None,
        Rejection::TokenType(_) => {
            token.header("typ").map(|name| Trouble::Type { name: shown(name) })
        }
        // the finding about the missing issuer explains it
        Rejection::InvalidClaim { name: "iss", .. } if !token.has("iss") => None,
        rejection => Some(Trouble::Refused(rejection)),
    }
}

fn time(token: &SignedSample, now: UnixSeconds) -> Option<Trouble> {
    let ends = token
        .seconds("exp")
        .filter(|ends| *ends <= now.0)
        .map(|ends| Trouble::Expired { ago: span(now.0.saturating_sub(ends)) });
    let starts = token.seconds("nbf").filter(|starts| *starts > now.0);
    ends.or_else(|| {
        starts.map(|starts| Trouble::NotYetValid { left: span(starts.saturating_sub(now.0)) })
    })
}

fn media_type(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("application/").map(str::to_owned).unwrap_or(name)
}

/// Returns how to make the product issue tokens that the gateway can read.
fn jwt_hint(kind: KeyManagerType) -> &'static str {
    match kind {
        KeyManagerType::Wso2Is
        | KeyManagerType::Wso2Is7
        | KeyManagerType::FsKeyManager
        | KeyManagerType::Asgardeo => {
            "Or choose JWT as the type of access tokens in the application's protocol settings"
        }
        KeyManagerType::Auth0 => {
            "Request a token with the `audience` of your API: without one Auth0 issues an opaque \
             token that only Auth0 can read"
        }
        KeyManagerType::PingFederate => {
            "Or use an access token manager of the type JSON Web Tokens"
        }
        KeyManagerType::Forgerock => {
            "Or turn on client-side (stateless) access tokens in the OAuth2 provider"
        }
        _ => "Or have the server issue JWT access tokens (RFC 9068)",
    }
}

fn encryption_hint(kind: KeyManagerType) -> &'static str {
    match kind {
        KeyManagerType::Auth0 => {
            "Auth0 issues one if no `audience` is requested, or if the API's settings ask for \
             encryption"
        }
        _ => "Or turn off the encryption of access tokens for this client or API",
    }
}

fn algorithm_hint(kind: KeyManagerType) -> &'static str {
    match kind {
        KeyManagerType::Auth0 => "Choose RS256 in the settings of the API",
        _ => "Choose RS256, PS256 or ES256 for access tokens",
    }
}

/// The most names in a list: enough to recognize a key or a claim.
const MOST_NAMES: usize = 24;

const MICROSOFT: [(&str, &str); 4] = [
    ("00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
    ("https://graph.microsoft.com", "Microsoft Graph"),
    ("00000002-0000-0000-c000-000000000000", "Azure AD Graph"),
    ("https://graph.windows.net", "Azure AD Graph"),
];
