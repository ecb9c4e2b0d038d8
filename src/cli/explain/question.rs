//! What is asked: `GET https://host/path`, and a token.

use http::{HeaderMap, HeaderValue, Method, Uri};

use crate::cli::arguments::ExplainOptions;
use crate::cli::token_file;
use crate::jwt::Unverified;

/// A request to judge.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) host: String,
    token: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidQuestion {
    #[error("{0:?} is not a request; write a method and an address, such as 'GET /accounts/1.0.0/accounts/42'")]
    Request(String),
    #[error("{0:?} is not an address or a path")]
    Address(String),
    #[error("the token cannot be read: {0}")]
    Token(#[from] std::io::Error),
    #[error("the token holds a character that cannot stand in a header")]
    TokenCharacter,
}

impl Question {
    pub(super) fn read(options: &ExplainOptions) -> Result<Self, InvalidQuestion> {
        let token = match (&options.token, &options.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(path)) => Some(token_file::read(path)?),
            (None, None) => None,
        };
        let token = token.as_deref().map(|text| token_file::bare(text).to_owned());
        Self::parse(&options.request, token)
    }

    /// From the words of a request line; a trailing `HTTP/1.1` is taken too.
    pub(super) fn parse(line: &str, token: Option<String>) -> Result<Self, InvalidQuestion> {
        let mut words = line.split_whitespace();
        let (Some(method), Some(address)) = (words.next(), words.next()) else {
            return Err(InvalidQuestion::Request(line.to_owned()));
        };
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| InvalidQuestion::Request(line.to_owned()))?;
        let uri: Uri = address.parse().map_err(|_| InvalidQuestion::Address(address.to_owned()))?;
        let host = uri.authority().map_or_else(String::new, |authority| authority.host().to_ascii_lowercase());
        if token.as_ref().is_some_and(|token| HeaderValue::try_from(token.as_str()).is_err()) {
            return Err(InvalidQuestion::TokenCharacter);
        }
        Ok(Self { method, uri, host, token })
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whose token it says it is; nobody vouches for that.
    pub(super) fn issuer(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        let unverified = Unverified::parse(token.as_bytes(), token.len()).ok()?;
        unverified.issuer().map(str::to_owned)
    }

    /// The request's headers, with the token in this header.
    pub(super) fn headers(&self, header: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = self.token.as_ref().and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        if let (Some(mut value), Ok(name)) = (value, http::HeaderName::try_from(header)) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers
    }
}
