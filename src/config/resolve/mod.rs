//! Tables -> nouns: what is written becomes the model, references are resolved, contradictions found.

mod api;
mod application;
mod backend;
mod backend_jwt;
mod balancing;
mod cors;
mod gateway;
mod header_rules;
mod introspection;
mod key_manager;
mod organizations;
mod proxies;
mod revocation;
mod secret;
mod unlikely;

pub(super) use api::no_such_key_manager;
pub(super) use application::no_such_api;

use std::collections::HashMap;

use crate::config::applications;
use crate::config::contract::ROOT;
use crate::config::problems::Problems;
use crate::config::reader::Table;
use crate::config::report::At;
use crate::config::resolve::unlikely::Nouns;
use crate::config::source::Sources;
use crate::model::Model;
use crate::model::directory::Directory;
use crate::model::names::{ApiIndex, KeyManagerIndex};

/// What other parts may refer to.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) key_managers: HashMap<String, KeyManagerIndex>,
    /// By `name:version`.
    pub(super) apis: HashMap<String, ApiIndex>,
}

/// All files' tables with one name.
struct Whole<'a> {
    roots: Vec<Table<'a>>,
    problems: &'a Problems,
}

/// Makes the model of what could be read; whether it may be used is in the problems.
pub(super) fn model(sources: &Sources, problems: &Problems) -> Model {
    let roots = sources
        .tables()
        .map(|(file, members)| Table::root(file, members, &ROOT, problems))
        .collect();
    let whole = Whole { roots, problems };
    whole.refuse_nested_includes();
    let mut files = sources.files();
    let mut references = References::default();
    let key_managers = key_manager::key_managers(&whole, sources, &mut references);
    let apis = api::apis(&whole, sources, &mut references);
    let mut directory = Directory::default();
    application::applications(&whole, sources, &references, &mut directory);
    applications::stream(
        &whole.application_files(),
        sources,
        &references,
        &mut directory,
        &mut files,
        problems,
    );
    directory.shrink();
    organizations::warn_of_shared_keys(&key_managers, &directory, &files, problems);
    Nouns { key_managers: &key_managers, apis: &apis, directory: &directory, files: &files }
        .warn(problems);
    let listeners = gateway::listeners(&whole, sources);
    Model {
        files,
        gateway: gateway::gateway(&whole, sources),
        listeners,
        limits: gateway::limits(&whole),
        management: gateway::management(&whole, sources),
        revocation_notices: revocation::notices(&whole),
        revocation_channel: revocation::channel(&whole, sources),
        backend_jwt: backend_jwt::backend_jwt(&whole, sources, &apis),
        key_managers,
        apis,
        directory,
        errors: gateway::errors(&whole),
        telemetry: gateway::telemetry(&whole, sources),
    }
}

impl<'a> Whole<'a> {
    /// A table that may stand once over all files.
    fn once(&self, key: &str) -> Option<Table<'a>> {
        let mut found: Option<Table<'a>> = None;
        for root in &self.roots {
            let Some(table) = root.table(key) else { continue };
            match &found {
                None => found = Some(table),
                Some(first) => self.problems.conflict(
                    table.at(),
                    first.at(),
                    format!("[{key}] may stand in one file only"),
                    None,
                ),
            }
        }
        found
    }

    /// The tables of a list, over all files.
    fn every(&self, key: &str) -> Vec<Table<'a>> {
        self.roots.iter().flat_map(|root| root.tables(key)).collect()
    }

    fn application_files(&self) -> Vec<crate::config::reader::Placed<&'a str>> {
        self.roots.iter().filter_map(|root| root.texts("application_files")).flatten().collect()
    }

    fn refuse_nested_includes(&self) {
        for (position, root) in self.roots.iter().enumerate() {
            if position == 0 {
                // a list of something else is told by reading it
                let _ = root.texts("include");
            } else if root.has("include") {
                root.error("include", "only the main file may include others".to_owned(), None);
            }
        }
    }
}

/// Names that may be used once: tells of the second.
#[derive(Debug, Default)]
struct Unique {
    seen: HashMap<String, At>,
}

impl Unique {
    /// Whether the name is new; a second one is a problem at its place.
    fn claim(&mut self, name: &str, at: &At, what: &str, problems: &Problems) -> bool {
        if let Some(other) = self.seen.get(name) {
            problems.conflict(
                at.clone(),
                other.clone(),
                format!("{what} {name:?} is defined twice"),
                None,
            );
            return false;
        }
        self.seen.insert(name.to_owned(), at.clone());
        true
    }
}
