//! Organizations of one authorization server, each with an issuer of its own: what stands in a
//! template's braces.
//!
//! Decides which issuers are a template's, and what the key manager of one organization is. A value
//! may hold letters, digits, `.`, `-` and `_` and nothing else, and begins with a letter or a
//! digit, so that filled into an address it stays within its segment, whatever a token says: no
//! slash, no percent, no dots that climb, no `@`, `?` or `#`.

use std::num::NonZeroU32;

use crate::model::key_manager::{KeyManager, KeySource};
use crate::model::names::{Issuer, KeyManagerName};
use crate::model::token_handling::Pattern;

/// The longest value of a brace, in bytes.
pub const MOST_VALUE: usize = 100;

/// The organizations that a template serves without a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRule {
    /// What the braces' values, joined by `/`, must be as a whole.
    pub pattern: Pattern,
    /// Key sets that are kept at a time.
    pub most: usize,
    /// New ones that the server is asked about.
    pub new_in_a_minute: NonZeroU32,
}

/// Whether a text may stand for a brace.
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

/// Whether each brace of an address fills a whole segment of its path: only then is there one way
/// to read a value out of an issuer, and no value can choose a host.
pub fn fills_segments(address: &str) -> bool {
    // "https:", "", the authority; only then the path
    const BEFORE_PATH: usize = 3;
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let whole =
        address.split('/').skip(BEFORE_PATH).filter(|segment| brace(segment).is_some()).count();
    path == address && address.matches(['{', '}']).count() == whole.saturating_mul(2)
}

/// What the braces of a template stand for in an issuer, in their order; `None` for an issuer that
/// is not the template's.
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

impl KeyManager {
    /// What stands in the braces of this template for the organization of an issuer, where the
    /// pattern takes it.
    pub fn organization_of<'i>(&self, issuer: &'i str) -> Option<Vec<&'i str>> {
        let rule = self.organizations.as_ref()?;
        let values = values(self.issuer.as_ref()?.as_str(), issuer)?;
        rule.pattern.matches(&values.join("/")).then_some(values)
    }

    /// The key manager of one organization of this template, or `None` for values that cannot stand
    /// in its braces.
    pub fn of_organization(&self, values: &[&str]) -> Option<Self> {
        let template = self.issuer.as_ref()?;
        let braces = braces(template.as_str());
        if braces.len() != values.len() || !values.iter().all(|value| is_value(value)) {
            return None;
        }
        let fill = |text: &str| {
            braces.iter().zip(values).fold(text.to_owned(), |filled, (name, value)| {
                filled.replace(&format!("{{{name}}}"), value)
            })
        };
        let mut own = self.clone();
        own.name = KeyManagerName::try_from(format!("{}/{}", self.name, values.join("/")).as_str())
            .ok()?;
        own.issuer = Some(Issuer::try_from(fill(template.as_str()).as_str()).ok()?);
        own.keys = match &self.keys {
            KeySource::Discovery { well_known_url } => {
                KeySource::Discovery { well_known_url: fill(well_known_url) }
            }
            KeySource::Jwks { url, well_known_url } => KeySource::Jwks {
                url: fill(url),
                well_known_url: well_known_url.as_deref().map(fill),
            },
            same => same.clone(),
        };
        if let Some(introspection) = &mut own.introspection {
            introspection.endpoint = introspection.endpoint.as_deref().map(fill);
        }
        let organization =
            braces.iter().zip(values).find(|(name, _)| matches!(**name, "org" | "organization"));
        own.organization = organization.map(|(_, value)| (*value).to_owned());
        own.tenant = Some(values.join("/"));
        own.organizations = None;
        own.template_issuer.clone_from(&self.issuer);
        Some(own)
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
        /// Whatever an issuer says, what is read out of it and filled into an address changes
        /// nothing else of the address.
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
