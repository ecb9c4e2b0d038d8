//! Tells the developer of a client, in one sentence, why a request was refused.
//!
//! A client may know the kind of the fault, and times. It never gets a part of the token, of the
//! configuration, or of another party's data. A refusal whose code tells everything has no sentence
//! here.

use std::borrow::Cow;

use crate::authenticate::AuthenticateError;
use crate::authenticate::BindingFault;
use crate::authorize::AuthorizationError;
use crate::jwt::{Rejection, TimeSpan, TokenKind, WrongType};
use crate::key_managers::OrganizationClosed;
use crate::proxy::refusal::Why;

type Sentence = Option<Cow<'static, str>>;

/// Returns the sentence, in plain ASCII, without quotes.
pub fn of(why: &Why) -> Sentence {
    match why {
        Why::Authenticate(error) => authentication(error),
        Why::Authorize(refusal, _) => authorization(*refusal).map(Cow::Borrowed),
        _ => None,
    }
}

fn authentication(error: &AuthenticateError) -> Sentence {
    let sentence = match error {
        AuthenticateError::Unreadable(rejection) | AuthenticateError::Token { rejection, .. } => {
            return Some(token(rejection));
        }
        AuthenticateError::Opaque => {
            "The token is no JSON Web Token, and no server can be asked about it"
        }
        AuthenticateError::Inactive => "The authorization server does not know the token as active",
        AuthenticateError::NobodysOwn { .. }
        | AuthenticateError::UnknownIssuer { .. }
        | AuthenticateError::NotOpened {
            why: OrganizationClosed::Absent | OrganizationClosed::KnownAbsent,
            ..
        } => "The token's issuer is not known here",
        AuthenticateError::KeyManagerNotAllowed { .. } => {
            "This API does not accept tokens of this issuer"
        }
        AuthenticateError::Binding { fault, .. } => return binding(*fault).map(Cow::Borrowed),
        AuthenticateError::Revoked { .. } => "The token was revoked",
        // nothing was sent, or the trouble is the gateway's own
        _ => return None,
    };
    Some(Cow::Borrowed(sentence))
}

fn token(rejection: &Rejection) -> Cow<'static, str> {
    Cow::Borrowed(match rejection {
        Rejection::Expired { seconds } => {
            return format!("The token expired {} ago", TimeSpan(*seconds)).into();
        }
        Rejection::NotYetValid { seconds } => {
            return format!("The token is not valid for another {}", TimeSpan(*seconds)).into();
        }
        Rejection::InvalidClaim { name, fault } => {
            return format!("The token's claim {name} {fault}").into();
        }
        Rejection::TokenType(
            WrongType::Named { kind: TokenKind::Other, .. } | WrongType::Header,
        ) => "The token's type is not that of an access token",
        Rejection::TokenType(WrongType::Named { kind, .. }) => {
            return format!("The token is {kind}; send the access token").into();
        }
        Rejection::TokenType(WrongType::IdToken { .. }) => {
            "The token looks like an ID token; send the access token"
        }
        Rejection::TooLarge { .. } => "The token is longer than the gateway accepts",
        Rejection::Malformed(_) => "The token cannot be read as a JSON Web Token",
        Rejection::Algorithm { .. } | Rejection::KeyAlgorithm { .. } => {
            "The token's signature algorithm is not accepted"
        }
        Rejection::CriticalHeader { .. } => {
            "The token's header asks for an extension that is not supported"
        }
        Rejection::UnknownKey { .. } | Rejection::AmbiguousKey => {
            "The token is not signed with a key that its issuer publishes"
        }
        Rejection::BadSignature => "The token's signature is not valid",
        Rejection::LifetimeTooLong => "The token's lifetime is longer than the gateway accepts",
        Rejection::Audience => "The token is meant for another audience",
    })
}

fn binding(fault: BindingFault) -> Option<&'static str> {
    Some(match fault {
        BindingFault::Unknown => "The token is bound to something that cannot be proved here",
        BindingFault::NoCertificate => {
            "The token is bound to a client certificate, and none was shown"
        }
        BindingFault::OtherCertificate => "The token is bound to another client certificate",
        BindingFault::Bearer => "The token is bound to a key; send it with the scheme DPoP",
        BindingFault::NotBoundToKey => {
            "The token is bound to no key; send it with the scheme Bearer"
        }
        BindingFault::NoProof => "Exactly one DPoP proof must come with the token",
        BindingFault::OtherKey => "The DPoP proof is of another key than the token is bound to",
        BindingFault::Replayed => "The DPoP proof was used before",
        BindingFault::NotBound => "This API accepts only bound tokens",
        BindingFault::UnreadableCertificate => "The client certificate cannot be read",
        BindingFault::Proof(_) | BindingFault::Nonce => return None,
    })
}

/// Refusals that another token would not avoid.
fn authorization(refusal: AuthorizationError) -> Option<&'static str> {
    Some(match refusal {
        AuthorizationError::SubscriptionBlocked => {
            "The token is good; the application's subscription to this API is blocked"
        }
        AuthorizationError::SubscriptionInactive => {
            "The token is good; the application's subscription to this API is not active"
        }
        AuthorizationError::NotBound => "This API accepts only bound tokens",
        AuthorizationError::OrganizationMissing => "The token names no organization",
        AuthorizationError::OrganizationMismatch => {
            "The token is of another organization than the application"
        }
        AuthorizationError::ConsumerKeyMissing
        | AuthorizationError::ConsumerKeyUnknown
        | AuthorizationError::NotSubscribed
        | AuthorizationError::InsufficientScope
        | AuthorizationError::KeyManagerAudience
        | AuthorizationError::Audience
        | AuthorizationError::NoProductionBackend
        | AuthorizationError::NoSandboxBackend => return None,
    })
}
