//! The scopes of revocations: the identities that they are bound to.

use std::borrow::Cow;

use crate::model::key_manager::{KeyManager, KeySource};
use crate::model::organization::Listing;

impl KeyManager {
    /// Returns the identity that revocations of its tokens are bound to: the issuer, which outlives
    /// a change of the key manager's name.
    ///
    /// An issuer that is learned is not known at all times. For those the address of the discovery
    /// document gives the issuer (RFC 8414: the issuer and a suffix). A server with introspection
    /// alone is known by its endpoint.
    pub fn revocation_scope(&self) -> Cow<'_, str> {
        if let Some(issuer) = &self.issuer {
            return Cow::Borrowed(issuer.as_str().trim_end_matches('/'));
        }
        match &self.keys {
            KeySource::Discovery { well_known_url: url }
            | KeySource::Jwks { well_known_url: Some(url), .. } => {
                return Cow::Owned(issuer_of(url));
            }
            KeySource::Jwks { .. }
            | KeySource::None
            | KeySource::Pem { .. }
            | KeySource::JwksFile { .. } => {}
        }
        let endpoint =
            self.introspection.as_ref().and_then(|settings| settings.endpoint.as_deref());
        Cow::Borrowed(endpoint.unwrap_or(self.name.as_str()))
    }

    /// Returns the scope of revocations that concern all organizations of its template.
    pub fn family_scope(&self) -> Option<&str> {
        let own = self.organization.as_ref()?;
        Some(own.template_issuer.as_str().trim_end_matches('/'))
    }

    /// Returns the name that earlier builds used as the scope of revocations. Organizations that
    /// are not listed have no name that an operator knows.
    pub fn revocation_name(&self) -> &str {
        match &self.organization {
            Some(own) if own.listing == Listing::Unlisted => own.template_name.as_str(),
            _ => self.name.as_str(),
        }
    }
}

/// Returns the issuer whose discovery document lies at this address.
fn issuer_of(well_known_url: &str) -> String {
    const MARKS: [&str; 3] = [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/",
    ];
    let found = MARKS.iter().find_map(|mark| well_known_url.split_once(mark));
    let (before, after) = found.unwrap_or((well_known_url, ""));
    format!("{before}{}", after.trim_end_matches('/')).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::issuer_of;

    #[test]
    fn an_issuer_is_known_by_where_its_discovery_document_lies() {
        for (url, issuer) in [
            ("https://is/oauth2/token/.well-known/openid-configuration", "https://is/oauth2/token"),
            ("https://a.auth0.com/.well-known/openid-configuration", "https://a.auth0.com"),
            ("https://as/.well-known/oauth-authorization-server", "https://as"),
            ("https://as/.well-known/oauth-authorization-server/tenant/", "https://as/tenant"),
            ("https://odd/discovery", "https://odd/discovery"),
        ] {
            assert_eq!(issuer_of(url), issuer);
        }
    }
}
