//! A template of key managers: one authorization server that has an issuer of its own for each of
//! its organizations.
//!
//! A template judges no token. APIs and applications use its name for all of its organizations, and
//! each organization has a key manager that is made of the template.

use crate::model::identity::{Identities, Identity};
use crate::model::key_manager::{Credentials, KeyManager, KeySource};
use crate::model::names::{Issuer, KeyManagerName, KeyManagerSlot};
use crate::model::organization::{
    Listing, OrganizationRule, TemplateOrganization, braces, is_value, values,
};
use crate::model::provenance::Provenance;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyManagerTemplate {
    /// The settings that its organizations share. Strings that differ between them hold braces.
    outline: KeyManager,
    issuer: Issuer,
    /// The credentials of single organizations that are listed.
    credentials_for: Vec<(String, Credentials)>,
    /// The organizations that it serves besides the listed ones.
    pub unlisted: Option<OrganizationRule>,
}

impl KeyManagerTemplate {
    /// Makes a template, or returns the key manager if its issuer has no braces.
    pub fn try_of(
        outline: KeyManager,
        credentials_for: Vec<(String, Credentials)>,
    ) -> Result<Self, Box<KeyManager>> {
        match &outline.issuer {
            Some(issuer) if !braces(issuer.as_str()).is_empty() => {
                Ok(Self { issuer: issuer.clone(), outline, credentials_for, unlisted: None })
            }
            _ => Err(Box::new(outline)),
        }
    }

    pub fn name(&self) -> &KeyManagerName {
        &self.outline.name
    }

    pub fn identity(&self) -> &Identity {
        &self.outline.identity
    }

    /// Templates and key managers have their slots of one range: APIs and keys name both alike.
    pub fn slot(&self) -> KeyManagerSlot {
        self.outline.slot()
    }

    /// Returns the issuer with its braces.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub fn is_enabled(&self) -> bool {
        self.outline.enabled
    }

    pub fn place(&self) -> Provenance {
        self.outline.place
    }

    /// Returns the settings that its organizations share.
    pub fn outline(&self) -> &KeyManager {
        &self.outline
    }

    pub fn credentials_for(&self) -> &[(String, Credentials)] {
        &self.credentials_for
    }

    /// Returns a copy without its place, so that a line added above it changes nothing.
    #[must_use]
    pub fn without_place(&self) -> Self {
        Self { outline: self.outline.without_place(), ..self.clone() }
    }

    /// Returns the scope of revocations that concern all of its organizations.
    pub fn revocation_scope(&self) -> &str {
        self.issuer.as_str().trim_end_matches('/')
    }

    /// Returns the values of the braces for the organization of an issuer, if the pattern accepts
    /// it.
    pub fn unlisted_values<'i>(&self, issuer: &'i str) -> Option<Vec<&'i str>> {
        let values = values(self.issuer.as_str(), issuer)?;
        self.unlisted.as_ref()?.pattern.matches(&values.join("/")).then_some(values)
    }

    /// Makes the key manager of an organization that a token named. It has the template's slot.
    pub fn unlisted_organization(&self, values: &[&str]) -> Option<KeyManager> {
        let own = self.organization(values, Listing::Unlisted)?;
        Some(KeyManager { introspection: None, ..own })
    }

    /// Makes the key manager of an organization that is listed, with an identity of its own.
    pub fn listed_organization(
        &self,
        values: &[&str],
        identities: &Identities,
    ) -> Option<KeyManager> {
        let mut own = self.organization(values, Listing::Listed)?;
        own.identity = identities.key_manager(own.name.as_str())?;
        let tenant = values.join("/");
        let single = self.credentials_for.iter().find(|(name, _)| *name == tenant);
        if let (Some(introspection), Some((_, credentials))) = (&mut own.introspection, single) {
            introspection.credentials = Some(credentials.clone());
        }
        Some(own)
    }

    /// Fills values into the braces. Returns `None` for values that cannot stand there.
    fn organization(&self, values: &[&str], listing: Listing) -> Option<KeyManager> {
        let braces = braces(self.issuer.as_str());
        if braces.len() != values.len() || !values.iter().all(|value| is_value(value)) {
            return None;
        }
        let fill = |text: &str| {
            braces.iter().zip(values).fold(text.to_owned(), |filled, (name, value)| {
                filled.replace(&format!("{{{name}}}"), value)
            })
        };
        let tenant = values.join("/");
        let mut own = self.outline.clone();
        own.name =
            KeyManagerName::try_from(format!("{}/{tenant}", self.outline.name).as_str()).ok()?;
        own.issuer = Some(Issuer::try_from(fill(self.issuer.as_str()).as_str()).ok()?);
        own.keys = match &self.outline.keys {
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
        let id =
            braces.iter().zip(values).find(|(name, _)| matches!(**name, "org" | "organization"));
        own.organization = Some(TemplateOrganization {
            template: self.slot(),
            template_name: self.outline.name.clone(),
            template_issuer: self.issuer.clone(),
            listing,
            id: id.map(|(_, value)| (*value).to_owned()),
            tenant,
        });
        Some(own)
    }
}
