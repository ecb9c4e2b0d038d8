//! HTTP Basic credentials (RFC 7617).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::model::secret::Secret;

/// The name and the password of a user or client.
#[derive(Debug, Clone)]
pub struct BasicCredentials {
    pub name: String,
    pub password: Secret,
}

impl BasicCredentials {
    /// Reads the value of an `Authorization` field; `None` if it is not HTTP Basic.
    pub fn read(field: &HeaderValue) -> Option<Self> {
        let (scheme, credentials) = field.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(Self { name: name.to_owned(), password: Secret::new(password.to_owned()) })
    }

    /// Returns the value of an `Authorization` field. It is marked as sensitive.
    pub fn field(name: &str, password: &str) -> Option<HeaderValue> {
        let pair = STANDARD.encode(format!("{name}:{password}"));
        let mut field = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
        field.set_sensitive(true);
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let field = BasicCredentials::field("a b", "p:\u{e4}").unwrap();
        assert!(field.is_sensitive());
        let read = BasicCredentials::read(&field).unwrap();
        assert_eq!((read.name.as_str(), read.password.reveal()), ("a b", "p:\u{e4}"));
        assert!(!format!("{read:?}").contains("p:"));
    }

    #[test]
    fn other_schemes_are_none() {
        for field in ["Bearer YTpi", "Basic", "Basic %", "Basic YQ=="] {
            assert!(BasicCredentials::read(&HeaderValue::from_static(field)).is_none(), "{field}");
        }
        let lower = HeaderValue::from_static("basic YTpi");
        assert_eq!(BasicCredentials::read(&lower).unwrap().name, "a");
    }
}
