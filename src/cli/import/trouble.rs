//! The findings on a sample token, each with its remedy. A message contains no part of the token
//! except names: of its issuer, key, algorithm, type and claims.

use crate::cli::import::issuer::Difference;
use crate::jwt::{Rejection, TokenKind};

/// The weight of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TroubleWeight {
    /// The gateway refuses such a token.
    Wrong,
    /// The operator may want it like this.
    Check,
}

/// One finding on a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error(
        "it is {form}, which only its server can read. The gateway can ask the server \
         (introspection) once it has a client of its own there: try it with --introspect \
         --client-id ID"
    )]
    ForItsServer { form: OpaqueForm },
    #[error(
        "it is {form}, which only its server can read, and the document names no introspection \
         endpoint. If the server has one, give it with --introspection-endpoint. {hint}"
    )]
    Unreadable { form: OpaqueForm, hint: &'static str },
    #[error("its {part} cannot be read: is the token complete and unchanged?")]
    Broken { part: &'static str },
    #[error(
        "it is an ID token ({because}), which tells a client who signed in and gives no access. \
         Use the `access_token` of the same answer, not the `id_token`"
    )]
    IdToken { because: String },
    #[error(
        "it may be an ID token ({because}); the gateway accepts it, because it looks like an \
         access token. Write `audiences` below, so that ID tokens, whose audience is the client, \
         are refused"
    )]
    PerhapsIdToken { because: String },
    #[error(
        "it is {kind} ({because}), not an access token. Use the `access_token` of the server's \
         answer"
    )]
    OtherKind { kind: TokenKind, because: String },
    #[error(
        "it is a token for {resource} ({because}): Microsoft signs those for itself, and nobody \
         else can verify them. Expose an API in an app registration of your own and request its \
         scope (api://<application id>/.default)"
    )]
    ForMicrosoft { resource: &'static str, because: String },
    #[error(
        "it has no issuer (`iss`), by which the gateway finds the key manager. Have the server \
         write one"
    )]
    NoIssuer,
    #[error(
        "its issuer is {found}, {difference}",
        difference = told(difference, *has_good_signature)
    )]
    Issuer { found: String, difference: Difference, has_good_signature: bool },
    #[error(
        "it is signed with {algorithm}, a shared secret: everybody who can check such a token can \
         also forge one, so it is never accepted. {hint}"
    )]
    SharedSecret { algorithm: String, hint: &'static str },
    #[error(
        "it is not signed (alg none): everybody can forge such a token, so it is never accepted"
    )]
    Unsigned,
    #[error(
        "its key {key_id} is not in the key set, which has {known}: the token belongs to another \
         server, tenant or environment, or is older than the last key rotation"
    )]
    KeyNotInSet { key_id: String, known: String },
    #[error(
        "its signature does not match the key it names: the token was changed, or another server \
         has a key of the same name"
    )]
    BadSignature,
    #[error("it expired {ago} ago; it still serves as a sample, but the gateway refuses it")]
    Expired { ago: String },
    #[error("it is not valid yet, for another {left}: are the clocks right?")]
    NotYetValid { left: String },
    #[error(
        "it is bound to a certificate or key (cnf), so the client must prove possession: with a \
         DPoP proof for `jkt`, or with the certificate of its connection for `x5t#S256` \
         (`client_auth` of the listener, or `client_certificate_header`)"
    )]
    Bound,
    #[error(
        "its type {name} is not accepted by default; if it is an access token, write `token_types \
         = [{name}]`"
    )]
    Type { name: String },
    #[error("{0}")]
    Refused(Rejection),
    #[error(
        "it has none of the usual claims for the client ({}). It has {present}: if one of these \
         holds the client, write its name as consumer_key_claim; if not, have the server add \
         one", crate::jwt::kind::CLIENTS.join(", ")
    )]
    NoClient { present: String },
    #[error(
        "{claim} is read as the client, but {others} name another one: which of them is the client \
         id that your applications know?"
    )]
    Clients { claim: String, others: String },
    #[error(
        "it has no scope, scp or roles, so every operation that needs scopes refuses it. Servers \
         leave the claim out if nothing was granted: use a sample with scopes"
    )]
    NoScopes,
    #[error(
        "besides {claim} it has {others}: if your operations' scopes are there, write that name as \
         scopes_claim"
    )]
    MoreScopes { claim: String, others: String },
    #[error(
        "it names no key (kid): the gateway can verify it only while one key of the set matches"
    )]
    NoKeyId,
}

/// A token that only its server can read.
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

    /// Returns true if such a token still shows the shape of the server's access tokens.
    pub(super) fn leaves_evidence(&self) -> bool {
        !matches!(self, Self::IdToken { .. } | Self::OtherKind { .. } | Self::ForMicrosoft { .. })
    }
}

fn told(difference: &Difference, has_good_signature: bool) -> String {
    let write = if has_good_signature {
        "; its signature is this server's, so write the token's issuer as `issuer` below, or have \
         the server use the document's"
    } else {
        "; the two must be equal, byte for byte"
    };
    match difference {
        Difference::Pattern => "and the document's is a pattern, not an issuer: import the \
                                document of the one tenant that you trust"
            .to_owned(),
        Difference::Slash => format!(
            "which differs from the document's by a slash at the \
                                      end{write}"
        ),
        Difference::Case => format!(
            "which differs from the document's by upper and lower \
                                     case{write}"
        ),
        Difference::Scheme => format!("which differs from the document's by http and https{write}"),
        Difference::EntraVersion(1) => {
            "that of an Entra v1 token, but the document is for v2: set \
                                        requestedAccessTokenVersion to 2 in the manifest of the \
                                        API's app registration, or import the tenant's document \
                                        without /v2.0"
                .to_owned()
        }
        Difference::EntraVersion(_) => {
            "that of an Entra v2 token, but the document is for v1: import the tenant's document \
             with /v2.0"
                .to_owned()
        }
        Difference::Tenant => "which is another tenant, realm or authorization server than the \
                               document's: import that one's document as a key manager of its own, \
                               or use a token of this one"
            .to_owned(),
        Difference::Other => "another server's than the document's: import the document of the \
                              token's server"
            .to_owned(),
    }
}
