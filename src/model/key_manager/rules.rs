//! What a token must be beside well signed, and which of its claims hold client and scopes.

use std::time::Duration;

use crate::model::key_manager::algorithm::SignatureAlgorithm;

/// What is asked of a token beside a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// Never empty.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Accepted `typ`, lower case, without `application/`; empty accepts `jwt`, `at+jwt` and none.
    pub token_types: Vec<String>,
    pub id_tokens: IdTokens,
    /// Any of these must be in `aud`; empty does not check.
    pub audiences: Vec<String>,
    /// Refusals of its tokens for what is no matter of identity are logged and counted, and the
    /// request is forwarded all the same. `audiences` is checked when the request is authorized.
    pub observe: bool,
    /// Clock skew allowed on `exp` and `nbf`.
    pub leeway: Duration,
    /// Tokens whose `exp` lies further ahead are refused.
    pub max_lifetime: Option<Duration>,
}

impl TokenRules {
    /// Tells whether one of these audiences is wanted, or none is.
    pub fn accepts<'a>(&self, audiences: impl IntoIterator<Item = &'a String>) -> bool {
        self.audiences.is_empty()
            || audiences.into_iter().any(|audience| self.audiences.contains(audience))
    }
}

/// Which claims hold the client and the scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// `None`: `consumerKey`, then `azp`, as WSO2 falls back.
    pub consumer_key: Option<String>,
    /// `None`: `scope`.
    pub scopes: Option<String>,
}

/// What becomes of tokens that look like ID tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdTokens {
    #[default]
    Refuse,
    /// For servers whose access tokens look like ID tokens.
    Allow,
}
