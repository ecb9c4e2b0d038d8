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
mod directory;
pub(super) mod earlier_reading;
mod figures;
mod gateway;
mod header_rules;
mod introspection;
mod key_manager;
mod limits;
mod listeners;
mod management;
mod naming;
mod object_ids;
mod organizations;
mod proxies;
mod redis;
mod references;
mod revocation;
mod root_tables;
mod secret;
mod shared_counters;
mod store;
mod telemetry;
mod throttling;
mod traces;
mod unique;
mod unlikely;
mod unlikely_limits;

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::contract::ROOT;
use crate::config::left_out::LeftOut;
use crate::config::problems::Problems;
use crate::config::reader::Table;
use crate::config::resolve::directory::CollectedApplications;
use crate::config::resolve::key_manager::DeclaredKeyManagers;
use crate::config::resolve::references::References;
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::unlikely::Nouns;
use crate::config::resolve::unlikely_limits::LimitNouns;
use crate::config::source::Sources;
use crate::config::stored::{StoredApplication, StoredApplications};
use crate::model::Model;
use crate::model::application::Application;
use crate::model::identity::Identities;
use crate::model::key_manager::Fetch;
use crate::model::policy::Throttling;
use crate::model::store::{StoreLocation, StoreSettings};

pub use earlier_reading::{EarlierReading, ReadApplicationFiles};

/// The content of files and store, and the names in it.
pub(super) struct ResolvedModel {
    pub(super) model: Model,
    pub(super) names: ApplicationNames,
    pub(super) application_files: Option<Arc<ReadApplicationFiles>>,
}

/// The names that an application may refer to.
#[derive(Debug)]
pub struct ApplicationNames(Arc<References>);

impl ApplicationNames {
    /// Makes an application of the store, or returns the message and the hint that tell why it is
    /// refused.
    pub fn application(
        &self,
        stored: &StoredApplication,
    ) -> Result<Application<'static>, (String, Option<String>)> {
        application_files::one(stored, &self.0)
    }
}

/// Reads the place of the store, before its content can be read. There is no store if nobody can
/// sign in, since nobody could change anything.
pub(super) fn store_settings(sources: &Sources, problems: &Problems) -> Option<StoreSettings> {
    let roots = root_tables(sources, problems);
    let management = management::management(&roots, sources, Arc::default());
    let settings = store::store(&roots, sources, &gateway::gateway(&roots, sources).state_dir);
    let usable = management.is_some_and(|own| own.somebody_may_sign_in())
        && settings.location != StoreLocation::None;
    usable.then_some(settings)
}

/// Returns the state folder of a gateway, whatever else is wrong with the files.
pub(super) fn state_dir(sources: &Sources, problems: &Problems) -> PathBuf {
    gateway::gateway(&root_tables(sources, problems), sources).state_dir
}

fn checked<'s>(sources: &'s Sources, problems: &'s Problems) -> RootTables<'s> {
    let roots = root_tables(sources, problems);
    roots.refuse_nested_includes();
    object_ids::check(sources, problems);
    roots
}

fn root_tables<'s>(sources: &'s Sources, problems: &'s Problems) -> RootTables<'s> {
    let tables = sources
        .tables()
        .map(|(file, members)| Table::root(file, members, &ROOT, problems))
        .collect();
    RootTables { tables, problems }
}

/// Makes the model of everything that could be read. It may be used if no errors were reported.
pub(super) fn model(
    sources: &Sources,
    problems: &Problems,
    identities: &Identities,
    left_out: &LeftOut,
    applications: StoredApplications<'_>,
) -> ResolvedModel {
    let roots = checked(sources, problems);
    let networks = management::foreign_networks(&roots);
    let policies = throttling::policies(&roots, sources, identities);
    let mut references = References::new(identities, policies, left_out, &networks);
    let DeclaredKeyManagers { key_managers, templates, fetch } =
        key_manager::key_managers(&roots, sources, &mut references, &networks);
    let calls = Arc::new(Fetch { networks: Some(networks), ..fetch });
    let apis = api::apis(&roots, sources, &mut references);
    let references = Arc::new(references);
    let CollectedApplications { directory, files, read } =
        directory::collect(&roots, sources, &references, applications);
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
        deny: deny::deny_conditions(&roots, sources),
        ..throttling::throttling(&roots, &references, sources)
    };
    let throttling = Throttling { policies: references.policies.clone(), ..throttling };
    LimitNouns { throttling: &throttling, apis: &apis, directory: &directory, files: &files }
        .warn(problems);
    let listeners = listeners::listeners(&roots, sources);
    management::check_token_key_manager(&roots, &key_managers);
    let gateway = gateway::gateway(&roots, sources);
    let model = Model {
        quarantined: Vec::new(),
        files,
        store: store::store(&roots, sources, &gateway.state_dir),
        gateway,
        listeners,
        limits: limits::limits(&roots),
        management: management::management(&roots, sources, calls),
        portal: management::portal(&roots),
        revocation_notices: revocation::notices(&roots),
        revocation_channel: revocation::channel(&roots, sources),
        backend_jwt: backend_jwt::backend_jwt(&roots, sources, &apis),
        key_managers,
        templates,
        apis,
        directory,
        throttling,
        errors: telemetry::errors(&roots),
        telemetry: telemetry::telemetry(&roots, sources),
    };
    ResolvedModel { model, names: ApplicationNames(references), application_files: read }
}
