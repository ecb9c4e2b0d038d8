//! The parameters of a request for a token: a form, each name once.

use std::collections::HashMap;

use http::{HeaderMap, header};

use crate::admin::access::token_refused::TokenRefused;

/// The parameters of a form.
pub(super) struct FormParameters(HashMap<String, String>);

impl FormParameters {
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, TokenRefused> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        let invalid = |description: String| TokenRefused::new("invalid_request", description);
        if !kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid("send the parameters as application/x-www-form-urlencoded".into()));
        }
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(invalid("a parameter is sent twice".into()));
            }
        }
        Ok(Self(parameters))
    }

    /// Returns a parameter; an empty one counts as missing (RFC 6749 section 3.2).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn needed(&self, name: &str) -> Result<&str, TokenRefused> {
        let missing = || TokenRefused::new("invalid_request", format!("`{name}` is missing"));
        self.get(name).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_form_has_each_name_once() {
        let mut headers = HeaderMap::new();
        assert!(FormParameters::read(&headers, b"a=1").is_err(), "no content type");
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=UTF-8");
        headers.insert(header::CONTENT_TYPE, kind);
        let form = FormParameters::read(&headers, b"a=1+2&b=&c=%26").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("c")), (Some("1 2"), None, Some("&")));
        assert!(form.needed("b").is_err());
        assert!(FormParameters::read(&headers, b"a=1&a=2").is_err());
    }
}
