//! Expands key manager templates: one server that has an issuer of its own for each organization.
//!
//! A template becomes a list of key managers, each with its own issuer, keys and endpoints, and a
//! rule for organizations that are not listed. The template itself accepts no token: APIs and
//! applications use its name for all of its organizations.

use std::num::NonZeroU32;

use crate::config::problems::At;
use crate::config::problems::Problems;
use crate::config::reader::{Placed, Table};
use crate::model::KeyManagerTemplate;
use crate::model::directory::Directory;
use crate::model::identity::Identities;
use crate::model::key_manager::{KeyManager, KeySource, TokenValidation};
use crate::model::organization::{OrganizationRule, braces, fills_segments};
use crate::model::provenance::SourceFiles;
use crate::model::token_handling::Pattern;

/// The most organizations of one template; the gateway keeps and refreshes a key set for each.
const MOST: usize = 1000;

/// The defaults of `max_organizations` and `max_new_organizations`.
const ORGANIZATIONS: i64 = 100;
const NEW_ORGANIZATIONS: i64 = 20;

const ADDRESS_HINT: &str = "write one such as \"https://is/t/{tenant}/o/{org}/oauth2/jwks\"";

/// Refuses the keys that only a template has.
pub(super) fn refuse_template_keys(table: &Table<'_>) {
    for (key, message, hint) in [
        (
            "organizations",
            "`organizations` needs an `issuer` with braces for the parts that differ",
            "write one such as issuer = \"https://is/t/{tenant}/o/{org}/oauth2/token\"",
        ),
        (
            "credentials_for",
            "`credentials_for` needs an `issuer` with braces, and `organizations`",
            "write `credentials` instead",
        ),
        (
            "organization_pattern",
            "`organization_pattern` needs an `issuer` with braces, each with a different name",
            ADDRESS_HINT,
        ),
    ] {
        let is_empty = key == "credentials_for" && table.tables(key).is_empty();
        if table.has(key) && !is_empty {
            table.error(key, message.to_owned(), Some(hint.to_owned()));
        }
    }
    refuse_limits_without_pattern(table);
}

fn refuse_limits_without_pattern(table: &Table<'_>) {
    if !table.has("organization_pattern") {
        let limits = ["max_organizations", "max_new_organizations"];
        for key in limits.into_iter().filter(|key| table.has(key)) {
            table.error(key, format!("`{key}` has no effect without `organization_pattern`"), None);
        }
    }
}

/// Returns the key managers of a template's listed organizations.
pub(super) fn expand(
    table: &Table<'_>,
    template: &KeyManagerTemplate,
    identities: &Identities,
) -> Vec<KeyManager> {
    let written = table.texts("organizations").unwrap_or_default();
    let hint = |text: &str| Some(text.to_owned());
    if (written.is_empty() && !table.has("organization_pattern")) || written.len() > MOST {
        let hint = hint(
            "list them, as in organizations = \
             [\"carbon.super/10084a8d-113f-4211-a0d5-efe36b082211\"], or describe them, as in \
             organization_pattern = \"carbon[.]super/[0-9a-f-]{36}\"",
        );
        table.error(
            "issuer",
            format!(
                "an issuer with braces needs from 1 to {MOST} \
                                       `organizations`, or an `organization_pattern`"
            ),
            hint,
        );
        return Vec::new();
    }
    for (named, _) in template.credentials_for() {
        if !written.iter().any(|organization| organization.value == named) {
            let message = format!("{named:?} is not one of `organizations`");
            let hint = hint(
                "organizations that only match the pattern use no introspection, so they need no \
                 credentials",
            );
            table.error("credentials_for", message, hint);
        }
    }
    written
        .iter()
        .filter_map(|organization| one(table, template, identities, organization))
        .collect()
}

fn one(
    table: &Table<'_>,
    template: &KeyManagerTemplate,
    identities: &Identities,
    organization: &Placed<&str>,
) -> Option<KeyManager> {
    let values: Vec<&str> = organization.value.split('/').collect();
    let Some(own) = template.listed_organization(&values, identities) else {
        let shape = braces(template.issuer().as_str()).join("/");
        let message = format!(
            "{:?} does not have one value for each brace of the issuer",
            organization.value
        );
        table.problems().error(
            organization.at.clone(),
            message,
            Some(format!("write the values in this order, without other characters: {shape:?}")),
        );
        return None;
    };
    if let Some(introspection) = &own.introspection
        && introspection.credentials.is_none()
        && own.fetch.client_certificate.is_none()
    {
        let message = format!("the organization {:?} has no credentials", organization.value);
        let hint = "add it to `credentials_for`, or write `credentials` for all organizations \
                    without their own";
        table.problems().error(organization.at.clone(), message, Some(hint.to_owned()));
    }
    Some(own)
}

/// Warns of consumer keys that name a template while their application names no organization. A
/// person who can choose client ids in one organization could then act as that application.
pub(super) fn warn_of_shared_keys(
    templates: &[KeyManagerTemplate],
    key_managers: &[KeyManager],
    directory: &Directory,
    files: &SourceFiles,
    problems: &Problems,
) {
    for template in templates {
        let slot = template.slot();
        let listed = key_managers.iter().filter(|own| own.template() == Some(slot)).count();
        if template.unlisted.is_none() && listed < 2 {
            continue;
        }
        let mut shared = directory
            .applications()
            .filter(|application| application.organization.is_none())
            .flat_map(|application| application.keys().map(move |key| (application, key)))
            .filter(|(_, key)| key.key_manager == slot)
            .map(|(application, _)| application);
        let Some(first) = shared.next() else { continue };
        let others = match shared.count() {
            0 => String::new(),
            more => format!(" (and {more} more keys of other applications)"),
        };
        let path = files.path(first.place).map(ToOwned::to_owned).unwrap_or_default();
        let name = template.name();
        problems.warning(
            At::Line { path, line: first.place.line },
            format!(
                "a key of application {:?} names the template \"{name}\", and the application \
                 names no organization{others}: a client with that id in any organization acts as \
                 this application",
                first.name
            ),
            Some(format!(
                "write `organization = \"...\"` for the application, or name one organization in \
                 the key: `key_manager = \"{name}/...\"`"
            )),
        );
    }
}

/// Reads the rule for organizations that are not listed.
pub(super) fn rule(table: &Table<'_>, template: &KeyManagerTemplate) -> Option<OrganizationRule> {
    refuse_limits_without_pattern(table);
    let written = table.text("organization_pattern")?;
    // the pattern must match the whole name; a match inside it would accept more than was meant
    let whole =
        Pattern::new(written.value).and_then(|_| Pattern::new(&format!("^(?:{})$", written.value)));
    let pattern = match whole {
        Ok(pattern) if !written.value.is_empty() => pattern,
        Ok(_) => {
            table.problems().error(written.at, "`organization_pattern` is empty".to_owned(), None);
            return None;
        }
        Err(error) => {
            table.problems().error(
                written.at,
                format!("{:?} is not a regular expression: {error}", written.value),
                None,
            );
            return None;
        }
    };
    addresses(table, template)?;
    let count = |key, default| u32::try_from(table.integer(key, 1..=1000, default)).unwrap_or(1);
    let most = usize::try_from(count("max_organizations", ORGANIZATIONS)).unwrap_or(1);
    let new_in_a_minute = NonZeroU32::new(count("max_new_organizations", NEW_ORGANIZATIONS))?;
    Some(OrganizationRule { pattern, most, new_in_a_minute })
}

/// Checks the addresses of a template with a pattern. A token chooses the values of the braces, so
/// they must not be able to choose another host or path.
fn addresses(table: &Table<'_>, template: &KeyManagerTemplate) -> Option<()> {
    let refuse = |message: String| {
        table.error("organization_pattern", message, Some(ADDRESS_HINT.to_owned()));
        None
    };
    let issuer = template.issuer().as_str();
    let names = braces(issuer);
    let distinct = names
        .iter()
        .enumerate()
        .all(|(at, name)| names.iter().skip(at.saturating_add(1)).all(|other| other != name));
    if !distinct {
        return refuse(
            "`organization_pattern` needs an `issuer` with braces, each with a different name"
                .to_owned(),
        );
    }
    if template.outline().validation != TokenValidation::SelfValidate {
        return refuse(
            "`organization_pattern` does not work with introspection; list those \
                       organizations in `organizations`"
                .to_owned(),
        );
    }
    let keys: Vec<&str> = match &template.outline().keys {
        KeySource::Discovery { well_known_url } => vec![well_known_url],
        KeySource::Jwks { url, well_known_url } => {
            std::iter::once(url).chain(well_known_url).map(String::as_str).collect()
        }
        KeySource::None | KeySource::Pem { .. } | KeySource::JwksFile { .. } => {
            return refuse(
                "`organization_pattern` needs keys from the network: `certificates.jwks` \
                           or `well_known_url`"
                    .to_owned(),
            );
        }
    };
    for address in keys.into_iter().chain([issuer]) {
        if !fills_segments(address) || braces(address).iter().any(|name| !names.contains(name)) {
            return refuse(format!(
                "with `organization_pattern`, each brace must fill a whole path segment and must \
                 also stand in the issuer: {address:?}"
            ));
        }
    }
    Some(())
}
