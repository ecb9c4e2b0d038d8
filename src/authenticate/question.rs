//! Questions that must be answered before a token has a verdict.

use std::sync::Arc;

use crate::authenticate::error::AuthenticateError;
use crate::introspect::IntrospectionPurpose;
use crate::jwks::{KeyManagerKeys, RefetchCause};
use crate::key_managers::{CompiledKeyManager, CompiledTemplate};

/// Key sets that may be older than the token, each with the reason to fetch it again.
pub type StaleKeys = Vec<(Arc<KeyManagerKeys>, RefetchCause)>;

/// A question to servers. The caller asks it and decides once more.
#[derive(Debug, Clone)]
pub enum Question {
    /// Asks the servers of these key managers about the token, all at once. The first that calls it
    /// active wins.
    Introspect { key_managers: Vec<Arc<CompiledKeyManager>>, purpose: IntrospectionPurpose },
    /// Asks the server of this template for the organization that the issuer names.
    OpenOrganization { template: Arc<CompiledTemplate>, issuer: Box<str> },
    /// Fetches key sets again. If that changes nothing, the token is refused for `otherwise`.
    RefreshKeys { stale: StaleKeys, otherwise: Box<AuthenticateError> },
}

/// A token without a verdict, or with a bad one.
#[derive(Debug, Clone)]
pub enum Unproven {
    Refused(AuthenticateError),
    Needs(Question),
}

impl Question {
    pub(super) fn introspect(
        key_managers: Vec<Arc<CompiledKeyManager>>,
        purpose: IntrospectionPurpose,
    ) -> Self {
        Self::Introspect { key_managers, purpose }
    }

    /// Returns the refusal that applies until the question is asked.
    #[must_use]
    pub fn unasked(self) -> AuthenticateError {
        match self {
            Self::Introspect { key_managers, .. } => {
                AuthenticateError::NotIntrospected { key_managers }
            }
            Self::OpenOrganization { template, issuer } => {
                AuthenticateError::OrganizationUnasked { template, issuer }
            }
            Self::RefreshKeys { otherwise, .. } => *otherwise,
        }
    }
}

impl Unproven {
    /// Returns the error that refuses the token, or would if newer keys do not help.
    pub(super) fn error(&self) -> Option<&AuthenticateError> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Needs(Question::RefreshKeys { otherwise, .. }) => Some(otherwise),
            Self::Needs(Question::Introspect { .. } | Question::OpenOrganization { .. }) => None,
        }
    }
}

impl From<AuthenticateError> for Unproven {
    /// Turns a refusal that newer keys could lift into a question.
    fn from(error: AuthenticateError) -> Self {
        let stale = error.stale_keys();
        if stale.is_empty() {
            Self::Refused(error)
        } else {
            Self::Needs(Question::RefreshKeys { stale, otherwise: Box::new(error) })
        }
    }
}

impl From<Question> for Unproven {
    fn from(question: Question) -> Self {
        Self::Needs(question)
    }
}
