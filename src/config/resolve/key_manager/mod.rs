//! Reads `[[key_managers]]` and their defaults.

mod definition;
mod endpoints;
mod issuers;
mod keys;
mod provisioning;
mod rules;
mod settings;

use crate::config::reader::Table;
use crate::config::resolve::key_manager::definition::{Declared, key_manager};
use crate::config::resolve::key_manager::issuers::{Templates, one_issuer};
use crate::config::resolve::key_manager::settings::{Settings, fetch, settings};
use crate::config::resolve::organizations;
use crate::config::resolve::references::References;
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::unique::Unique;
use crate::config::source::Sources;
use crate::model::KeyManagerTemplate;
use crate::model::key_manager::{Fetch, KeyManager};
use crate::model::names::KeyManagerSlot;
use crate::model::network::NetworkRule;

/// The key managers and the templates of a configuration, in its order.
#[derive(Debug, Default)]
pub(super) struct DeclaredKeyManagers {
    pub(super) key_managers: Vec<KeyManager>,
    pub(super) templates: Vec<KeyManagerTemplate>,
    /// The defaults for fetching.
    pub(super) fetch: Fetch,
}

pub(super) fn key_managers(
    roots: &RootTables<'_>,
    sources: &Sources,
    references: &mut References,
    networks: &NetworkRule,
) -> DeclaredKeyManagers {
    let defaults = Settings { networks: networks.clone(), ..Settings::default() };
    let defaults = match roots.once("key_manager_defaults") {
        Some(table) => settings(&table, &defaults),
        None => defaults,
    };
    let mut reader = KeyManagerReader {
        references,
        taken: TakenNames::default(),
        found: DeclaredKeyManagers {
            fetch: fetch(defaults.clone(), None, None),
            ..DeclaredKeyManagers::default()
        },
    };
    for table in roots.every("key_managers") {
        let name = table.needed("name");
        let built = key_manager(&table, sources, &defaults, &reader.references.identities);
        let Some(name) = name else { continue };
        if !reader.taken.names.claim(name.value, &name.at, "key manager", table.problems()) {
            continue;
        }
        let Some(built) = built else {
            // the name is known even if the rest is wrong, so that one error does not become many
            reader.know(name.value, KeyManagerSlot(u16::MAX));
            continue;
        };
        reader.know(name.value, built.slot());
        match built {
            Declared::Template(template) => reader.template(*template, &table),
            Declared::KeyManager(built) => {
                organizations::refuse_template_keys(&table);
                reader.key_manager(*built, &table);
            }
        }
    }
    reader.found
}

/// The tables that were read so far.
struct KeyManagerReader<'r> {
    references: &'r mut References,
    taken: TakenNames,
    found: DeclaredKeyManagers,
}

/// The names and issuers that are in use.
#[derive(Default)]
struct TakenNames {
    names: Unique,
    issuers: Unique,
    templates: Templates,
}

impl KeyManagerReader<'_> {
    fn know(&mut self, name: &str, slot: KeyManagerSlot) {
        self.references.key_managers.insert(name.to_owned(), slot);
    }

    fn key_manager(&mut self, built: KeyManager, table: &Table<'_>) {
        if let Some(issuer) = built.issuer.as_ref().filter(|_| built.enabled) {
            one_issuer(&mut self.taken.issuers, issuer, &built, &self.found.key_managers, table);
        }
        self.found.key_managers.push(built);
    }

    /// Reads the organizations of a template. A disabled template serves none.
    fn template(&mut self, mut template: KeyManagerTemplate, table: &Table<'_>) {
        let listed = organizations::expand(table, &template, &self.references.identities);
        let rule = organizations::rule(table, &template);
        if template.is_enabled() {
            if rule.is_some() {
                self.taken.templates.claim_template(&template, table);
            }
            template.unlisted = rule;
            for own in listed {
                let at = table.at_key("organizations");
                if self.taken.names.claim(own.name.as_str(), &at, "organization", table.problems())
                {
                    self.know(own.name.as_str(), own.slot());
                    self.key_manager(own, table);
                }
            }
        }
        self.found.templates.push(template);
    }
}
