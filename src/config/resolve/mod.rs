//! Turns tables into the model: resolves references and finds contradictions. Each noun has a file.

mod address;
mod api;
mod application;
mod application_files;
mod backend;
mod backend_jwt;
mod balancing;
mod condition;
mod cors;
mod deny;
mod figures;
mod gateway;
mod header_rules;
mod introspection;
mod key_manager;
mod limits;
mod listeners;
mod management;
mod naming;
mod organizations;
mod proxies;
mod redis;
mod references;
mod revocation;
mod secret;
mod shared_counters;
mod telemetry;
mod throttling;
mod unique;
mod unlikely;
mod unlikely_limits;
mod whole;

use std::collections::HashMap;

use crate::config::contract::ROOT;
use crate::config::problems::Problems;
use crate::config::reader::Table;
use crate::config::resolve::key_manager::DeclaredKeyManagers;
use crate::config::resolve::references::References;
use crate::config::resolve::unlikely::Nouns;
use crate::config::resolve::unlikely_limits::LimitNouns;
use crate::config::resolve::whole::Whole;
use crate::config::source::Sources;
use crate::model::Model;
use crate::model::directory::{Directory, DirectoryBuilder};
use crate::model::identity::Identities;
use crate::model::policy::Throttling;
use crate::model::provenance::SourceFiles;

/// Makes the model of everything that could be read. It may be used if no errors were reported.
pub(super) fn model(sources: &Sources, problems: &Problems, identities: &Identities) -> Model {
    let roots = sources
        .tables()
        .map(|(file, members)| Table::root(file, members, &ROOT, problems))
        .collect();
    let whole = Whole { roots, problems };
    whole.refuse_nested_includes();
    let mut files = sources.files();
    let mut references = References {
        identities: identities.clone(),
        key_managers: HashMap::new(),
        apis: HashMap::new(),
        policies: throttling::policies(&whole, sources, identities),
        offered: HashMap::new(),
    };
    let DeclaredKeyManagers { key_managers, templates } =
        key_manager::key_managers(&whole, sources, &mut references);
    let apis = api::apis(&whole, sources, &mut references);
    let directory = directory(&whole, sources, &references, &mut files);
    organizations::warn_of_shared_keys(&templates, &key_managers, &directory, &files, problems);
    Nouns {
        key_managers: &key_managers,
        templates: &templates,
        apis: &apis,
        directory: &directory,
        files: &files,
    }
    .warn(problems);
    let throttling = Throttling {
        deny: deny::deny_conditions(&whole, sources),
        ..throttling::throttling(&whole, &references, sources)
    };
    let throttling = Throttling { policies: references.policies, ..throttling };
    LimitNouns { throttling: &throttling, apis: &apis, directory: &directory, files: &files }
        .warn(problems);
    let listeners = listeners::listeners(&whole, sources);
    Model {
        files,
        gateway: gateway::gateway(&whole, sources),
        listeners,
        limits: limits::limits(&whole),
        management: management::management(&whole, sources),
        revocation_notices: revocation::notices(&whole),
        revocation_channel: revocation::channel(&whole, sources),
        backend_jwt: backend_jwt::backend_jwt(&whole, sources, &apis),
        key_managers,
        templates,
        apis,
        directory,
        throttling,
        errors: telemetry::errors(&whole),
        telemetry: telemetry::telemetry(&whole, sources),
    }
}

/// Reads the applications of the tables, then those of application files.
fn directory(
    whole: &Whole<'_>,
    sources: &Sources,
    references: &References,
    files: &mut SourceFiles,
) -> Directory {
    let mut directory = DirectoryBuilder::default();
    application::applications(whole, sources, references, &mut directory);
    application_files::stream(
        &whole.application_files(),
        sources,
        references,
        &mut directory,
        files,
        whole.problems,
    );
    directory.build()
}
