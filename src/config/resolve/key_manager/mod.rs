//! Reads `[[key_managers]]` and their defaults.

mod definition;
mod endpoints;
mod issuers;
mod keys;
mod rules;
mod settings;

use crate::config::reader::Placed;
use crate::config::resolve::key_manager::definition::key_manager;
use crate::config::resolve::key_manager::issuers::{Templates, one_issuer};
use crate::config::resolve::key_manager::settings::{Settings, settings};
use crate::config::resolve::organizations;
use crate::config::resolve::references::References;
use crate::config::resolve::unique::Unique;
use crate::config::resolve::whole::Whole;
use crate::config::source::Sources;
use crate::model::key_manager::KeyManager;
use crate::model::names::KeyManagerSlot;

pub(super) fn key_managers(
    whole: &Whole<'_>,
    sources: &Sources,
    references: &mut References,
) -> Vec<KeyManager> {
    let defaults = Settings::default();
    let defaults = match whole.once("key_manager_defaults") {
        Some(table) => settings(&table, &defaults),
        None => defaults,
    };
    let (mut names, mut issuers, mut templates) =
        (Unique::default(), Unique::default(), Templates::default());
    let mut key_managers = Vec::new();
    for table in whole.every("key_managers") {
        let name = table.needed("name");
        let built = key_manager(&table, sources, &defaults, &references.identities);
        let Some(name) = name else { continue };
        if !names.claim(name.value, &name.at, "key manager", table.problems()) {
            continue;
        }
        let Some(mut built) = built else {
            // the name is known even if the rest is wrong, so that one error does not become many
            references.key_managers.insert(name.value.to_owned(), KeyManagerSlot(u16::MAX));
            continue;
        };
        references.key_managers.insert(name.value.to_owned(), built.slot());
        let organizations = organizations::expand(&table, &built, &references.identities);
        let rule = organizations::rule(&table, &built);
        let template = built.enabled
            && built.issuer.as_ref().is_some_and(|issuer| issuer.as_str().contains('{'));
        if template {
            if rule.is_some() {
                templates.claim_template(&built, &table);
            }
            built.organizations = rule;
            // a template stands for its organizations, and accepts no token itself
            built.enabled = false;
        }
        if let Some(issuer) = built.issuer.as_ref().filter(|_| built.enabled) {
            one_issuer(&mut issuers, issuer, &built, &key_managers, &table);
        }
        key_managers.push(built);
        for own in organizations.into_iter().filter(|_| template) {
            let name = Placed { value: own.name.as_str(), at: table.at_key("organizations") };
            if names.claim(name.value, &name.at, "organization", table.problems()) {
                if let Some(issuer) = &own.issuer {
                    one_issuer(&mut issuers, issuer, &own, &key_managers, &table);
                }
                references.key_managers.insert(own.name.to_string(), own.slot());
                key_managers.push(own);
            }
        }
    }
    key_managers
}
