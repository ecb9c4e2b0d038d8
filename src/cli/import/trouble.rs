//! What can be wrong with a sample token, each with what to do about it.
//!
//! A message never holds a part of the token beyond names: of its issuer, key, algorithm, type and claims.

use crate::cli::import::issuer::Difference;
use crate::jwt::{Rejection, TokenKind};

/// How much a trouble counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TroubleWeight {
    /// The gateway refuses such a token.
    Wrong,
    /// It may be meant.
    Check,
}

/// One thing about a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error(
        "it is {form}: only its server can say what it is. The gateway asks the server (introspection) once it has a client of its own \
         there: see whether that works with --introspect --client-id ID"
    )]
    ForItsServer { form: OpaqueForm },
    #[error(
        "it is {form}: only its server can say what it is, and the document names no introspection endpoint. Give the endpoint with \
         --introspection-endpoint, if the server has one. {hint}"
    )]
    Unreadable { form: OpaqueForm, hint: &'static str },
    #[error("its {part} cannot be read: is it whole, and unchanged since the server gave it?")]
    Broken { part: &'static str },
    #[error(
        "it is an ID token ({because}): that tells a client who signed in, and opens nothing. Take the `access_token` of the same \
         answer, not the `id_token`"
    )]
    IdToken { because: String },
    #[error(
        "it may be an ID token ({because}); the gateway takes it, since it cannot be told from an access token. Write `audiences` \
         below, so that ID tokens, whose audience is the client, open nothing"
    )]
    PerhapsIdToken { because: String },
    #[error(
        "it is {kind} ({because}), not an access token. Take the `access_token` of the server's answer"
    )]
    OtherKind { kind: TokenKind, because: String },
    #[error(
        "it is a token for {resource} ({because}): Microsoft signs those for itself, and nobody else can verify them. Expose an API in \
         an app registration of your own and ask for its scope (api://<application id>/.default)"
    )]
    ForMicrosoft { resource: &'static str, because: String },
    #[error(
        "it has no issuer (`iss`), and by the issuer the gateway finds the key manager. Have the server write one"
    )]
    NoIssuer,
    #[error("its issuer is {found}, {difference}", difference = told(difference, *has_good_signature))]
    Issuer { found: String, difference: Difference, has_good_signature: bool },
    #[error(
        "it is signed with {algorithm}, a shared secret: whoever can check such a token can also make one, so these are never \
         accepted. {hint}"
    )]
    SharedSecret { algorithm: String, hint: &'static str },
    #[error(
        "it is not signed (alg none): anybody can make such a token, and none is ever accepted"
    )]
    Unsigned,
    #[error(
        "its key {key_id} is not in the key set, which has {known}: the token is of another server, tenant or environment, or older \
         than the last change of keys"
    )]
    KeyNotInSet { key_id: String, known: String },
    #[error(
        "its signature is not that of the key it names: the token was changed, or another server has a key of the same name"
    )]
    BadSignature,
    #[error(
        "it expired {ago} ago; an expired token is good enough as a sample, and is refused as a token"
    )]
    Expired { ago: String },
    #[error("it is not valid for another {left}: are the clocks right?")]
    NotYetValid { left: String },
    #[error(
        "it is bound to a certificate or key (cnf): the gateway accepts it with the client's proof alone, a DPoP proof for `jkt`, or \
         for `x5t#S256` the certificate of the connection (`client_auth` of the listener, or `client_certificate_header`)"
    )]
    Bound,
    #[error(
        "its type {name} is none that is accepted by default; if it is an access token, write `token_types = [{name}]`"
    )]
    Type { name: String },
    #[error("{0}")]
    Refused(Rejection),
    #[error(
        "none of its claims is known to hold the client ({} are missing). It has {present}: if one of these holds it, write its name \
         as consumer_key_claim; else have the server add one", crate::jwt::kind::CLIENTS.join(", ")
    )]
    NoClient { present: String },
    #[error(
        "{claim} is taken for the client, and {others} name another one: which of them do your applications know as their client id?"
    )]
    Clients { claim: String, others: String },
    #[error(
        "it has no scope, scp or roles, so that no operation with scopes lets it through. Servers leave the claim out when nothing \
         was granted: take a sample with scopes"
    )]
    NoScopes,
    #[error(
        "beside {claim} it has {others}: if your operations' scopes are meant there, write that name as scopes_claim"
    )]
    MoreScopes { claim: String, others: String },
    #[error(
        "it names no key (kid): the gateway can tell whose it is only while one key of the set fits"
    )]
    NoKeyId,
}

/// A token that cannot be read without its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpaqueForm {
    Reference,
    Encrypted,
}

impl std::fmt::Display for OpaqueForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reference => "an opaque token, a reference",
            Self::Encrypted => "an encrypted token (five parts)",
        })
    }
}

impl Trouble {
    pub(super) fn weight(&self) -> TroubleWeight {
        match self {
            Self::PerhapsIdToken { .. }
            | Self::ForItsServer { .. }
            | Self::Bound
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::Clients { .. }
            | Self::NoScopes
            | Self::MoreScopes { .. }
            | Self::NoKeyId => TroubleWeight::Check,
            _ => TroubleWeight::Wrong,
        }
    }

    /// Whether such a token still shows what the server's access tokens look like.
    pub(super) fn leaves_evidence(&self) -> bool {
        !matches!(self, Self::IdToken { .. } | Self::OtherKind { .. } | Self::ForMicrosoft { .. })
    }
}

fn told(difference: &Difference, has_good_signature: bool) -> String {
    let write = if has_good_signature {
        "; its signature is this server's, so write the token's issuer as `issuer` below, or have the server write the document's"
    } else {
        "; the two must be equal, byte for byte"
    };
    match difference {
        Difference::Pattern => "and the document's is a pattern, not an issuer: import the document of the one tenant you trust".to_owned(),
        Difference::Slash => format!("which differs from the document's by a slash at the end{write}"),
        Difference::Case => format!("which differs from the document's by upper and lower case{write}"),
        Difference::Scheme => format!("which differs from the document's by http and https{write}"),
        Difference::EntraVersion(1) => "that of an Entra v1 token, and the document is of v2: set requestedAccessTokenVersion to 2 in the \
             manifest of the API's app registration, or import the tenant's document without /v2.0"
            .to_owned(),
        Difference::EntraVersion(_) => {
            "that of an Entra v2 token, and the document is of v1: import the tenant's document with /v2.0".to_owned()
        }
        Difference::Tenant => "which is another tenant, realm or authorization server than the document's: import that one's document \
             as a key manager of its own, or take a token of this one"
            .to_owned(),
        Difference::Other => "another server's than the document's: import the document of the token's server".to_owned(),
    }
}
