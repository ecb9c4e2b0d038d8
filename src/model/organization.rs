//! Organizations of one authorization server, each with an issuer of its own: the values of a
//! template's braces.
//!
//! Decides which issuers have the form of a template's. A value holds letters, digits, `.`, `-` and
//! `_` and nothing else, and begins with a letter or a digit. So a value that is filled into an
//! address stays within its segment, whatever a token says: no slash, no percent, no dots that
//! climb, no `@`, `?` or `#`.

use std::num::NonZeroU32;

use crate::model::names::{Issuer, KeyManagerName, KeyManagerSlot};
use crate::model::token_handling::Pattern;

/// The longest value of a brace, in bytes.
pub const MOST_VALUE: usize = 100;

/// The organizations that a template serves without a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRule {
    /// The pattern for the braces' values, joined by `/`.
    pub pattern: Pattern,
    /// The most key sets that are kept.
    pub most: usize,
    /// The number of new organizations per minute that the server is asked about.
    pub new_in_a_minute: NonZeroU32,
}

/// The organization of a key manager that was made from a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateOrganization {
    pub template: KeyManagerSlot,
    pub template_name: KeyManagerName,
    /// The issuer of the template, with its braces.
    pub template_issuer: Issuer,
    pub listing: Listing,
    /// The value that a token's `org_id` must have, if the token has one.
    pub id: Option<String>,
    /// The values of all braces: the organization that the issuer proves, regardless of the token's
    /// claims.
    pub tenant: String,
}

/// The reason why a template serves an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// The organization stands in `organizations`.
    Listed,
    /// A token named it, and it matches `organization_pattern`.
    Unlisted,
}

/// Tells whether a string can replace a brace.
pub fn is_value(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    text.len() <= MOST_VALUE
        && text.bytes().all(plain)
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// The names in braces, in their order.
pub fn braces(text: &str) -> Vec<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

/// The name of a segment that is one brace.
fn brace(segment: &str) -> Option<&str> {
    segment
        .strip_prefix('{')?
        .strip_suffix('}')
        .filter(|name| !name.is_empty() && !name.contains(['{', '}']))
}

/// Tells whether each brace of an address fills a whole segment of its path. Only then can a value
/// be read out of an issuer in one way, and no value can choose a host.
pub fn fills_segments(address: &str) -> bool {
    // "https:", "", the authority; only then the path
    const BEFORE_PATH: usize = 3;
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let whole =
        address.split('/').skip(BEFORE_PATH).filter(|segment| brace(segment).is_some()).count();
    path == address && address.matches(['{', '}']).count() == whole.saturating_mul(2)
}

/// Returns the values of a template's braces in an issuer, in their order; `None` if the issuer
/// does not fit the template.
pub fn values<'i>(template: &str, issuer: &'i str) -> Option<Vec<&'i str>> {
    let mut values = Vec::new();
    let (mut wanted, mut found) = (template.split('/'), issuer.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(values),
            (Some(wanted), Some(found)) => match brace(wanted) {
                Some(_) if is_value(found) => values.push(found),
                None if wanted == found => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEMPLATE: &str = "https://is.example/t/{tenant}/o/{org}/oauth2/token";

    fn issuer(tenant: &str, organization: &str) -> String {
        TEMPLATE.replace("{tenant}", tenant).replace("{org}", organization)
    }

    #[test]
    fn values_are_read_out_of_issuers_of_the_same_shape() {
        assert_eq!(
            values(TEMPLATE, &issuer("carbon.super", "10084a8d")),
            Some(vec!["carbon.super", "10084a8d"])
        );
        for other in [
            "https://is.example/t/carbon.super/oauth2/token",
            "https://is.example/t/carbon.super/o/a/oauth2/token/",
            "https://is.example/t/carbon.super/o/a/b/oauth2/token",
            "https://is.example//t/carbon.super/o/a/oauth2/token",
            "https://IS.example/t/carbon.super/o/a/oauth2/token",
            "http://is.example/t/carbon.super/o/a/oauth2/token",
            "https://is.example.evil/t/carbon.super/o/a/oauth2/token",
            TEMPLATE,
            "",
        ] {
            assert_eq!(values(TEMPLATE, other), None, "{other}");
        }
    }

    #[test]
    fn nothing_that_could_leave_a_segment_is_a_value() {
        for bad in [
            "",
            ".",
            "..",
            "...",
            ".a",
            "-a",
            "_a",
            "a/b",
            "a%2fb",
            "%2e%2e",
            "a\\b",
            "a@b",
            "a?b",
            "a#b",
            "a;b",
            "a:b",
            "a b",
            "a\n",
            "a\0",
            "{org}",
            "a{",
            "ä",
            "a+b",
            "a&b",
            "a=b",
            "a*",
            "a~",
            "a\u{202e}b",
        ] {
            assert!(
                !is_value(bad) && values(TEMPLATE, &issuer("carbon.super", bad)).is_none(),
                "{bad:?}"
            );
        }
        assert!(is_value(&"a".repeat(MOST_VALUE)) && !is_value(&"a".repeat(MOST_VALUE + 1)));
    }

    #[test]
    fn braces_fill_segments_of_the_path() {
        assert!(fills_segments(TEMPLATE) && fills_segments("https://is.example/jwks"));
        for bad in [
            "https://{org}.example/jwks",
            "https://{org}/jwks",
            "{org}://is.example/jwks",
            "https://is.example/o-{org}/jwks",
            "https://is.example/{org}{tenant}/jwks",
            "https://is.example/jwks?o={org}",
            "https://is.example/jwks?/{org}",
            "https://is.example/jwks#/{org}",
            "https://is.example/{}/jwks",
            "https://is.example/{org/jwks",
        ] {
            assert!(!fills_segments(bad), "{bad}");
        }
    }

    proptest! {
        /// Values that are read out of any issuer and filled into an address change no other part
        /// of it.
        #[test]
        fn a_value_never_leaves_its_segment(text in "\\PC{0,40}|[a-z./%@?#:;{}\\\\]{0,20}") {
            if let Some(found) = values(TEMPLATE, &issuer("carbon.super", &text)) {
                prop_assert_eq!(&found, &["carbon.super", text.as_str()]);
                let address = "https://is.example/o/{org}/jwks".replace("{org}", found[1]);
                let uri: http::Uri = address.parse().unwrap();
                prop_assert_eq!(uri.authority().unwrap().as_str(), "is.example");
                prop_assert_eq!(uri.query(), None);
                prop_assert_eq!(uri.path().split('/').count(), 4);
                prop_assert_eq!(uri.path().split('/').nth(2).unwrap(), text.as_str());
            }
        }
    }
}
