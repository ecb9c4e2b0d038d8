//! The bearer token in a request's head (RFC 6750 section 2.1).
//!
//! A credential is one field of the API's authorization header, with the scheme `Bearer` or `DPoP`
//! in any case. Reads no query and no body.

use http::HeaderMap;

use crate::authenticate::error::AuthenticateError;

/// The scheme with which a token was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenScheme {
    Bearer,
    /// The scheme of RFC 9449 section 7.1, with a proof beside it.
    Dpop,
}

/// A token as it was presented.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential<'h> {
    pub token: &'h [u8],
    pub scheme: TokenScheme,
}

/// A token is never shown.
impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("scheme", &self.scheme)
            .field("bytes", &self.token.len())
            .finish()
    }
}

/// Finds the token of a request, or the reason for which there is none to judge.
pub fn credential<'h>(
    headers: &'h HeaderMap,
    header: &str,
) -> Result<Credential<'h>, AuthenticateError> {
    let mut fields = headers.get_all(header).iter();
    let Some(field) = fields.next() else {
        return Err(AuthenticateError::Missing);
    };
    if fields.next().is_some() {
        return Err(AuthenticateError::Several);
    }
    let (scheme, rest) = split_scheme(field.as_bytes());
    let scheme = match scheme {
        scheme if scheme.eq_ignore_ascii_case(b"bearer") => TokenScheme::Bearer,
        scheme if scheme.eq_ignore_ascii_case(b"dpop") => TokenScheme::Dpop,
        _ => return Err(AuthenticateError::Missing),
    };
    let token = rest.trim_ascii();
    if token.is_empty() {
        return Err(AuthenticateError::Missing);
    }
    // a list of credentials: `Bearer a, Bearer b`
    if memchr::memchr(b',', token).is_some() {
        return Err(AuthenticateError::Several);
    }
    Ok(Credential { token, scheme })
}

fn split_scheme(field: &[u8]) -> (&[u8], &[u8]) {
    let field = field.trim_ascii();
    let end = field.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(field.len());
    field.split_at_checked(end).unwrap_or((field, &[]))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c ", "bEARER\ta.b.c"] {
            assert_eq!(
                credential(&headers(&[value]), "authorization").unwrap().token,
                b"a.b.c",
                "{value}"
            );
        }
    }

    #[test]
    fn the_scheme_is_told() {
        assert_eq!(
            credential(&headers(&["dPoP a.b.c"]), "authorization").unwrap().scheme,
            TokenScheme::Dpop
        );
        assert_eq!(
            credential(&headers(&["bearer a.b.c"]), "authorization").unwrap().scheme,
            TokenScheme::Bearer
        );
    }

    #[test]
    fn what_is_not_a_bearer_token_is_missing() {
        for value in ["", "Bearer", "Bearer ", "Basic YTpi", "a.b.c", "Bearertoken a.b.c"] {
            assert!(
                matches!(
                    credential(&headers(&[value]), "authorization"),
                    Err(AuthenticateError::Missing)
                ),
                "{value}"
            );
        }
        assert!(matches!(
            credential(&headers(&[]), "authorization"),
            Err(AuthenticateError::Missing)
        ));
    }

    #[test]
    fn two_credentials_are_refused() {
        let twice = headers(&["Bearer a.b.c", "Bearer a.b.c"]);
        assert!(matches!(credential(&twice, "authorization"), Err(AuthenticateError::Several)));
        let mixed = headers(&["Basic YTpi", "Bearer a.b.c"]);
        assert!(matches!(credential(&mixed, "authorization"), Err(AuthenticateError::Several)));
        let list = headers(&["Bearer a.b.c, Bearer d.e.f"]);
        assert!(matches!(credential(&list, "authorization"), Err(AuthenticateError::Several)));
    }
}
