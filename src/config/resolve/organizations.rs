//! A key manager that is a template: one server that issues under an issuer of its own for each organisation.
//!
//! Decides the list of key managers that a template stands for, each with its own issuer, keys and endpoints. The template
//! itself believes no token: it is the name under which APIs and applications may mean all of its organisations.

use crate::config::reader::{Placed, Table};
use crate::model::key_manager::{KeyManager, KeySource};
use crate::model::names::{Issuer, KeyManagerIndex, KeyManagerName};

/// Organisations of one template: each has a key set that is kept and refreshed.
const MOST: usize = 1000;

/// The key managers of a template's organisations; empty for one that is none.
pub(super) fn expand(table: &Table<'_>, template: &KeyManager, family: KeyManagerIndex) -> Vec<KeyManager> {
    let braces = template.issuer.as_ref().map(|issuer| braces(issuer.as_str())).unwrap_or_default();
    let written = table.texts("organizations").unwrap_or_default();
    let hint = |text: &str| Some(text.to_owned());
    if braces.is_empty() {
        if table.has("organizations") {
            let hint = hint("such as issuer = \"https://is/t/{tenant}/o/{org}/oauth2/token\"");
            table.error("organizations", "`organizations` needs an `issuer` with braces for what differs".to_owned(), hint);
        }
        return Vec::new();
    }
    if written.is_empty() || written.len() > MOST {
        let hint = hint("list them: organizations = [\"carbon.super/10084a8d-113f-4211-a0d5-efe36b082211\"]");
        table.error("issuer", format!("an issuer with braces needs from 1 to {MOST} `organizations`"), hint);
        return Vec::new();
    }
    written.iter().filter_map(|organization| one(table, template, family, &braces, organization)).collect()
}

/// The names in braces, in their order.
fn braces(text: &str) -> Vec<String> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

fn one(
    table: &Table<'_>,
    template: &KeyManager,
    family: KeyManagerIndex,
    braces: &[String],
    organization: &Placed<&str>,
) -> Option<KeyManager> {
    let values: Vec<&str> = organization.value.split('/').collect();
    let plain = |value: &&str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    if values.len() != braces.len() || !values.iter().all(plain) {
        let shape = braces.join("/");
        let message = format!("{:?} does not say what the braces of the issuer stand for", organization.value);
        table.problems().error(organization.at.clone(), message, Some(format!("in their order, without other characters: {shape:?}")));
        return None;
    }
    let fill = |text: &str| {
        braces.iter().zip(&values).fold(text.to_owned(), |filled, (name, value)| filled.replace(&format!("{{{name}}}"), value))
    };
    let mut own = template.clone();
    own.name = KeyManagerName::try_from(format!("{}/{}", template.name, organization.value).as_str()).ok()?;
    own.issuer = template.issuer.as_ref().and_then(|issuer| Issuer::try_from(fill(issuer.as_str()).as_str()).ok());
    own.keys = match &template.keys {
        KeySource::Discovery { well_known_url } => KeySource::Discovery { well_known_url: fill(well_known_url) },
        KeySource::Jwks { url, well_known_url } => KeySource::Jwks { url: fill(url), well_known_url: well_known_url.as_deref().map(fill) },
        same => same.clone(),
    };
    if let Some(introspection) = &mut own.introspection {
        introspection.endpoint = fill(&introspection.endpoint);
    }
    own.organization =
        braces.iter().zip(&values).find(|(name, _)| matches!(name.as_str(), "org" | "organization")).map(|(_, value)| (*value).to_owned());
    own.family = Some(family);
    Some(own)
}
