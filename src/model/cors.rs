//! The pages of other origins that may call an API (the Fetch standard's CORS protocol).

use std::time::Duration;

use http::{HeaderName, Method};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    pub origins: Origins,
    pub methods: Vec<Method>,
    pub headers: AllowedHeaders,
    pub exposed: Vec<HeaderName>,
    /// Never true with [`Origins::Any`].
    pub credentials: bool,
    pub max_age: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    Any,
    Listed(Vec<OriginPattern>),
}

/// An origin as browsers write it: scheme, host and perhaps port, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    Exact(String),
    /// `https://*.bank.example`: something that a host may hold stands for the star, and nothing
    /// else.
    Around {
        before: String,
        after: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHeaders {
    Any,
    Listed(Vec<HeaderName>),
}

impl Origins {
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(origin)),
        }
    }
}

impl OriginPattern {
    pub fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Around { before, after } => {
                let middle = origin
                    .strip_prefix(before.as_str())
                    .and_then(|rest| rest.strip_suffix(after.as_str()));
                let of_a_host =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
                middle.is_some_and(|middle| !middle.is_empty() && middle.bytes().all(of_a_host))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_a_part_of_a_host_and_nothing_else() {
        let pattern = OriginPattern::Around {
            before: "https://".to_owned(),
            after: ".bank.example".to_owned(),
        };
        assert!(pattern.matches("https://app.bank.example"));
        assert!(pattern.matches("https://a.b.bank.example"));
        for origin in [
            "https://.bank.example",
            "https://bank.example",
            "http://app.bank.example",
            "https://evil.example/.bank.example",
            "https://app.bank.example.evil.example",
            "https://evil.example:80#.bank.example",
            "https://user@x.bank.example",
            "null",
        ] {
            assert!(!pattern.matches(origin), "{origin}");
        }
    }
}
