//! The conditions on a token besides its signature, and the claims that hold client and scopes.

use std::time::Duration;

use crate::model::key_manager::algorithm::SignatureAlgorithm;

/// The conditions on a token besides a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// Never empty.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Accepted `typ`, lower case, without `application/`; empty accepts `jwt`, `at+jwt` and none.
    pub token_types: Vec<String>,
    pub id_tokens: IdTokens,
    /// The token's `aud` must have one of these. If empty, `aud` is not checked.
    pub audiences: Vec<String>,
    /// Refusals of its tokens that are not about identity are logged and counted, and the request
    /// is forwarded. `audiences` is checked when the request is authorized.
    pub observe: bool,
    /// Clock skew allowed on `exp` and `nbf`.
    pub leeway: Duration,
    /// Tokens whose `exp` lies further ahead are refused.
    pub max_lifetime: Option<Duration>,
}

impl TokenRules {
    /// Tells whether one of these audiences is accepted. If none is configured, all are.
    pub fn accepts<'a>(&self, audiences: impl IntoIterator<Item = &'a String>) -> bool {
        self.audiences.is_empty()
            || audiences.into_iter().any(|audience| self.audiences.contains(audience))
    }
}

/// The claims that hold the client and the scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// `None`: `consumerKey`, then `azp`, as in WSO2.
    pub consumer_key: Option<String>,
    /// `None`: `scope`.
    pub scopes: Option<String>,
}

/// The rule for tokens that look like ID tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdTokens {
    #[default]
    Refuse,
    /// Accepted, for servers whose access tokens look like ID tokens.
    Allow,
}
