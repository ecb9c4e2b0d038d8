//! Describes a token beyond its signature: its key manager, introspection, revocation and binding.
//!
//! Nothing is decided here: the verdict is the gateway's, and this file explains it to an operator.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::authenticate::{Basis, Principal};
use crate::authenticate::{BindingFault, binding};
use crate::explain::request::ExplainRequest;
use crate::jwt::{JsonValue, Unverified};
use crate::key_managers::CompiledKeyManager;
use crate::model::api::{Api, BindingRule};
use crate::model::key_manager::KeyManager;
use crate::model::token_handling::TokenHandling;
use crate::revocation::{Ground, Revocations};
use crate::snapshot::Snapshot;

/// Returns how the key manager of a JWT was chosen.
pub(super) fn picked(
    snapshot: &Snapshot,
    definition: &KeyManager,
    token: &Unverified<'_>,
) -> String {
    let issuer = token.issuer().unwrap_or_default();
    let sharing: Vec<_> = snapshot
        .key_managers_sharing(issuer)
        .map(|sharing| sharing.definition.name.as_str())
        .collect();
    let own = definition.handling.iter().find_map(|rule| match rule {
        TokenHandling::Jwt { claims } => Some(
            claims
                .iter()
                .map(|(name, pattern)| {
                    format!("{name} = {} matches {:?}", shown(token.claim(name)), pattern.as_str())
                })
                .collect::<Vec<_>>()
                .join(" and "),
        ),
        TokenHandling::Reference { .. } => None,
    });
    match (sharing.is_empty(), own) {
        (true, None) => "the only key manager with this issuer".to_owned(),
        (true, Some(own)) => {
            format!("the only key manager with this issuer, and its token_handling matches: {own}")
        }
        (false, Some(own)) => {
            format!("one of {sharing:?} with this issuer, chosen by token_handling: {own}")
        }
        (false, None) => format!("one of {sharing:?} with this issuer"),
    }
}

/// Returns the rules of each key manager of an issuer, for a JWT that none or several of them
/// match.
pub(super) fn candidates(snapshot: &Snapshot, token: &Unverified<'_>) -> Vec<String> {
    let issuer = token.issuer().unwrap_or_default();
    let mut candidates: Vec<_> = snapshot.key_managers_sharing(issuer).collect();
    candidates.extend(snapshot.key_manager_of(issuer).filter(|_| candidates.is_empty()));
    let said = |key_manager: &&std::sync::Arc<CompiledKeyManager>| {
        let definition = &key_manager.definition;
        let rules = definition.handling.iter().filter_map(|rule| match rule {
            TokenHandling::Jwt { claims } => Some(claims),
            TokenHandling::Reference { .. } => None,
        });
        let wanted = rules.map(|claims| {
            let each = claims.iter().map(|(name, pattern)| {
                format!("{name} {:?}, the token has {}", pattern.as_str(), shown(token.claim(name)))
            });
            each.collect::<Vec<_>>().join(" and ")
        });
        let wanted = wanted.collect::<Vec<_>>().join(", or ");
        format!(
            "key manager \"{}\" wants {}",
            definition.name,
            if wanted.is_empty() { "every token" } else { &wanted }
        )
    };
    candidates.iter().map(said).collect()
}

/// Returns the organizations of the key manager and of the token, if the key manager has one.
pub(super) fn organization(principal: &Principal) -> Option<String> {
    let definition = &principal.key_manager().definition;
    let Some(wanted) = definition.organization_id() else {
        return definition
            .tenant()
            .map(|tenant| format!("the issuer is that of tenant {tenant:?}"));
    };
    Some(match principal.claims().get("org_id") {
        Some(named) => {
            format!(
                "the key manager has the organization {wanted:?}, and the token has {}",
                shown(Some(named))
            )
        }
        None => {
            format!("the key manager has the organization {wanted:?}, and the token names none")
        }
    })
}

/// Returns the proof of a token: its signature or its server.
pub(super) fn basis(principal: &Principal) -> (&'static str, String) {
    match principal.basis() {
        Basis::Signature { .. } => ("signature", "good".to_owned()),
        Basis::Confirmed { .. } | Basis::Introspection { .. } => {
            let endpoint = principal
                .key_manager()
                .definition
                .introspection
                .as_ref()
                .and_then(|settings| settings.endpoint.as_deref());
            (
                "introspection",
                format!(
                    "active, according to {}",
                    endpoint.unwrap_or("the endpoint in its discovery document")
                ),
            )
        }
    }
}

/// Describes a token that is not revoked.
pub(super) fn not_revoked(revocations: &Revocations) -> String {
    match revocations.count() {
        0 => "no revocations in state_dir".to_owned(),
        count => format!("none of the {count} revocations in state_dir is about this token"),
    }
}

/// Describes a revoked token.
pub(super) fn revoked(ground: Ground) -> String {
    let by = match ground {
        Ground::Token => "this token",
        Ground::Id => "this token's id",
        Ground::Client => "all tokens that the client got before a time",
        Ground::Subject => "all tokens that the subject got before a time",
    };
    format!("revoked: a revocation in state_dir is about {by}")
}

/// Describes how the sender proved possession of the token's key.
pub(super) fn bound(principal: &Principal, api: &Api) -> String {
    let rule = match api.binding {
        BindingRule::Required => "the API accepts only bound tokens",
        BindingRule::NotRequired => "the API accepts unbound tokens too",
    };
    match binding::describe(principal.claims()) {
        Some(how) => format!("{how}, and the sender proved it; {rule}"),
        None => format!("the token is not bound; {rule}"),
    }
}

/// Returns hints on the proof that a bound token needs.
pub(super) fn binding_hints(
    fault: BindingFault,
    question: &ExplainRequest,
    token: Option<&Unverified<'_>>,
) -> Vec<String> {
    let confirmation = token.and_then(|token| token.claim("cnf")).and_then(JsonValue::as_object);
    let wanted = |name: &str| {
        confirmation
            .and_then(|members| members.get(name))
            .and_then(JsonValue::as_str)
            .unwrap_or("none")
            .to_owned()
    };
    match fault {
        BindingFault::NoCertificate | BindingFault::UnreadableCertificate => {
            vec!["pass the client's certificate with --client-certificate".to_owned()]
        }
        BindingFault::OtherCertificate => {
            let shown = question
                .certificate()
                .map(|digest| URL_SAFE_NO_PAD.encode(digest))
                .unwrap_or_default();
            vec![format!(
                "the token is bound to the certificate x5t#S256 {:?}, but the client showed \
                 {shown:?}",
                wanted("x5t#S256")
            )]
        }
        BindingFault::Bearer | BindingFault::NoProof => {
            vec![
                "pass the proof with --dpop, and write the whole address that the client calls"
                    .to_owned(),
            ]
        }
        BindingFault::Proof(_) => proof_hints(question),
        BindingFault::OtherKey => {
            vec![format!("the token is bound to the key jkt {:?}", wanted("jkt"))]
        }
        BindingFault::NotBound => {
            vec![
                "ask the authorization server for tokens that are bound to a certificate or to a \
                  DPoP key"
                    .to_owned(),
            ]
        }
        BindingFault::Nonce => vec![
            "without `dpop_nonce_key` only the running gateway knows its nonces; it sends them in \
             DPoP-Nonce"
                .to_owned(),
        ],
        BindingFault::Unknown => vec!["in cnf, only x5t#S256 and jkt are supported".to_owned()],
        BindingFault::NotBoundToKey | BindingFault::Replayed => Vec::new(),
    }
}

/// Returns the request that a proof is for, besides the one that was sent.
fn proof_hints(question: &ExplainRequest) -> Vec<String> {
    let payload = question
        .proof()
        .and_then(|proof| proof.split('.').nth(1))
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let Some(claims) =
        payload.and_then(|payload| serde_json::from_slice::<serde_json::Value>(&payload).ok())
    else {
        return vec!["the proof is not a compact JWS".to_owned()];
    };
    let said = |name: &str| {
        claims.get(name).map_or_else(|| "nothing".to_owned(), |value| cut(&value.to_string()))
    };
    vec![format!(
        "the proof has htm {}, htu {}, iat {}; the request is {} {}",
        said("htm"),
        said("htu"),
        said("iat"),
        question.method,
        question.uri
    )]
}

pub(super) fn shown(value: Option<&JsonValue>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(value) => match (value.as_str(), value.as_array()) {
            (Some(text), _) => cut(&format!("{text:?}")),
            (None, Some(elements)) => cut(&format!(
                "{:?}",
                elements.iter().filter_map(JsonValue::as_str).collect::<Vec<_>>()
            )),
            (None, None) => "not a string".to_owned(),
        },
    }
}

fn cut(text: &str) -> String {
    const MOST: usize = 200;
    text.chars().take(MOST).collect()
}
