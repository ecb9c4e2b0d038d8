//! The reasons for which a token is not accepted, with the operator's messages. The client's are in
//! `proxy::denial`.

use std::sync::Arc;

use crate::authenticate::binding_fault::BindingFault;
use crate::authenticate::token_judge::TokenJudge;
use crate::jwks::{KeyManagerKeys, RefetchCause};
use crate::jwt::Rejection;
use crate::key_managers::{CompiledKeyManager, CompiledTemplate, OrganizationClosed};
use crate::model::reason::Reason;
use crate::revocation::Ground;

/// A request without a principal.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthenticateError {
    #[error("no bearer token")]
    Missing,
    #[error("more than one credential")]
    Several,
    #[error("{0}")]
    Unreadable(Rejection),
    #[error("the token is opaque, and no key manager of the API can be asked about it")]
    Opaque,
    #[error("none of the key managers that were asked knows the token as active")]
    Inactive,
    #[error("the token must be asked about at {}", listed(key_managers))]
    NotIntrospected { key_managers: Vec<Arc<CompiledKeyManager>> },
    #[error("the issuer {issuer:?} may be an organization of key manager \"{}\", whose server has to be asked", template.definition.name())]
    OrganizationUnasked { template: Arc<CompiledTemplate>, issuer: Box<str> },
    #[error("key manager \"{}\" cannot be asked about the token: {why}", key_manager.definition.name)]
    Unanswered {
        key_manager: Arc<CompiledKeyManager>,
        why: Arc<str>,
        /// Seconds until a server is asked again; `None` if one was asked.
        retry_after: Option<u32>,
    },
    #[error(
        "several key managers have the issuer {issuer}, and none, or more than one, says that the token is its own"
    )]
    NobodysOwn { issuer: String },
    #[error("the issuer {issuer} may be an organization of key manager \"{}\": {why}", template.definition.name())]
    NotOpened { template: Arc<CompiledTemplate>, issuer: String, why: OrganizationClosed },
    #[error("no enabled key manager has the issuer {issuer}")]
    UnknownIssuer { issuer: String },
    #[error("no key manager has the issuer {issuer}, and one has not learned its own issuer yet")]
    IssuerNotLearned { issuer: String, unlearned: Vec<Arc<KeyManagerKeys>> },
    #[error("the API does not accept tokens of key manager \"{}\"", judge.name())]
    KeyManagerNotAllowed { judge: TokenJudge },
    #[error("key manager \"{}\": {rejection}", key_manager.definition.name)]
    Token {
        key_manager: Arc<CompiledKeyManager>,
        rejection: Rejection,
        /// The verdict was remembered, and no signature was checked.
        repeated: bool,
    },
    #[error(
        "too many invalid tokens came from this address (`limits.max_forged_tokens`): unknown ones are not looked at for {retry_after} s"
    )]
    InvalidTokens { retry_after: u32 },
    #[error(
        "too many tokens from this address that no server has vouched for: `limits.unknown_tokens` allows the next one in {retry_after} s"
    )]
    UnknownTokens { retry_after: u32 },
    #[error("key manager \"{}\": {fault}", key_manager.definition.name)]
    Binding { key_manager: Arc<CompiledKeyManager>, fault: BindingFault },
    #[error("key manager \"{}\": the token was revoked", key_manager.definition.name)]
    Revoked { key_manager: Arc<CompiledKeyManager>, ground: Ground },
    #[error("key manager \"{}\" has no keys that could judge the token", key_manager.definition.name)]
    KeysUnavailable { key_manager: Arc<CompiledKeyManager>, cause: RefetchCause },
    #[error("key manager \"{}\" has no key that fits the token, and a newer one may exist: {why}; in {retry_after} s it may be known", key_manager.definition.name)]
    KeysPending { key_manager: Arc<CompiledKeyManager>, why: &'static str, retry_after: u32 },
}

impl AuthenticateError {
    pub(super) fn token(key_manager: &Arc<CompiledKeyManager>, rejection: Rejection) -> Self {
        Self::Token { key_manager: Arc::clone(key_manager), rejection, repeated: false }
    }

    pub(super) fn keys_unavailable(
        key_manager: &Arc<CompiledKeyManager>,
        cause: RefetchCause,
    ) -> Self {
        Self::KeysUnavailable { key_manager: Arc::clone(key_manager), cause }
    }

    /// Returns the more telling refusal of two by different servers: a server that knows the token
    /// tells more about it than one that does not.
    #[must_use]
    pub fn or_better(self, other: Self) -> Self {
        if matches!(self, Self::Inactive) { other } else { self }
    }

    pub fn reason(&self) -> Reason {
        match self {
            Self::Missing => Reason::MissingCredentials,
            Self::Several => Reason::SeveralCredentials,
            Self::Unreadable(rejection) | Self::Token { rejection, .. } => rejection.reason(),
            Self::UnknownIssuer { .. }
            | Self::NobodysOwn { .. }
            | Self::NotOpened {
                why: OrganizationClosed::Absent | OrganizationClosed::KnownAbsent,
                ..
            } => Reason::UnknownIssuer,
            Self::IssuerNotLearned { .. }
            | Self::KeysUnavailable { .. }
            | Self::KeysPending { .. }
            | Self::OrganizationUnasked { .. }
            | Self::NotOpened { .. } => Reason::KeysUnavailable,
            Self::InvalidTokens { .. } => Reason::ForgedTokens,
            Self::UnknownTokens { .. } => Reason::UnknownTokens,
            Self::Opaque => Reason::TokenMalformed,
            Self::Inactive => Reason::TokenInactive,
            Self::NotIntrospected { .. } | Self::Unanswered { .. } => {
                Reason::IntrospectionUnavailable
            }
            Self::Revoked { .. } => Reason::TokenRevoked,
            Self::KeyManagerNotAllowed { .. } => Reason::KeyManagerNotAllowed,
            Self::Binding { fault, .. } => match fault {
                BindingFault::NotBound => Reason::TokenNotBound,
                BindingFault::Nonce => Reason::ProofNonce,
                BindingFault::Proof(_)
                | BindingFault::OtherKey
                | BindingFault::Replayed
                | BindingFault::NoProof => Reason::ProofInvalid,
                BindingFault::Unknown
                | BindingFault::NoCertificate
                | BindingFault::UnreadableCertificate
                | BindingFault::OtherCertificate
                | BindingFault::Bearer
                | BindingFault::NotBoundToKey => Reason::TokenBound,
            },
        }
    }

    /// The key manager or template that judged, when one was found.
    pub fn judge(&self) -> Option<TokenJudge> {
        match self {
            Self::KeyManagerNotAllowed { judge } => Some(judge.clone()),
            Self::NotOpened { template, .. } | Self::OrganizationUnasked { template, .. } => {
                Some(TokenJudge::Template(Arc::clone(template)))
            }
            _ => self.key_manager().map(Arc::clone).map(TokenJudge::KeyManager),
        }
    }

    /// The key manager that judged, when one was found.
    pub fn key_manager(&self) -> Option<&Arc<CompiledKeyManager>> {
        match self {
            Self::Missing
            | Self::Several
            | Self::Unreadable(_)
            | Self::Opaque
            | Self::Inactive
            | Self::InvalidTokens { .. }
            | Self::UnknownTokens { .. }
            | Self::NobodysOwn { .. }
            | Self::UnknownIssuer { .. }
            | Self::IssuerNotLearned { .. }
            | Self::NotOpened { .. }
            | Self::OrganizationUnasked { .. }
            | Self::KeyManagerNotAllowed { judge: TokenJudge::Template(_) } => None,
            Self::NotIntrospected { key_managers } => match key_managers.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            Self::KeyManagerNotAllowed { judge: TokenJudge::KeyManager(key_manager) }
            | Self::Token { key_manager, .. }
            | Self::Binding { key_manager, .. }
            | Self::Revoked { key_manager, .. }
            | Self::Unanswered { key_manager, .. }
            | Self::KeysPending { key_manager, .. }
            | Self::KeysUnavailable { key_manager, .. } => Some(key_manager),
        }
    }

    /// Returns the key sets to fetch again before this verdict is final: the key may be new, or new
    /// under an old `kid`, or the issuer may be one that its key manager has still to learn.
    pub(super) fn stale_keys(&self) -> Vec<(Arc<KeyManagerKeys>, RefetchCause)> {
        match self {
            Self::IssuerNotLearned { unlearned, .. } => {
                unlearned.iter().map(|keys| (Arc::clone(keys), RefetchCause::NoKeys)).collect()
            }
            Self::KeysUnavailable { key_manager, cause } => {
                vec![(Arc::clone(&key_manager.keys), *cause)]
            }
            Self::Token { key_manager, rejection, .. } => {
                let cause = match rejection {
                    // the key's name is known: newer keys are unlikely to help
                    Rejection::BadSignature
                    | Rejection::KeyAlgorithm { .. }
                    | Rejection::AmbiguousKey => RefetchCause::BadSignature,
                    rejection if rejection.newer_keys_may_help() => RefetchCause::UnknownKey,
                    _ => return Vec::new(),
                };
                vec![(Arc::clone(&key_manager.keys), cause)]
            }
            _ => Vec::new(),
        }
    }
}

fn listed(key_managers: &[Arc<CompiledKeyManager>]) -> String {
    let names = key_managers
        .iter()
        .map(|key_manager| format!("key manager \"{}\"", key_manager.definition.name));
    names.collect::<Vec<_>>().join(", ")
}

/// Writes a claim's text for an operator: cut, and without control characters.
pub fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let cut: String = text.chars().take(MOST).collect();
    format!("{cut:?}")
}
