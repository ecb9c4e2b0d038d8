//! Reads `gateway.toml` into a [`Model`], or reports every error at once ([`Report`]).
//!
//! This room reads files and nothing else: it opens no socket and asks no server. A key whose
//! feature does not exist yet is refused by name. A key that is not written has a default, and no
//! default opens anything.
//!
//! The files: [`source`] and [`tree`] (files, values and their places), [`contract`] (every key,
//! for the reader, the hints and the JSON Schema), [`reader`] (typed values), [`problems`] (errors
//! collected), [`units`] (durations and sizes), [`plain_file`] and [`pem`] (files that the
//! configuration names), [`resolve`] (one file for each noun), [`report`] (for operators),
//! [`redaction`] (keeps secrets out of reports), [`mod@schema`], [`stored`] (objects of the store,
//! read by the same rules), [`quarantine`] and [`left_out`] (leave broken objects out),
//! [`declared`] (the objects of files, for the API), [`changes`] (two readings compared),
//! [`content_stamp`] (files that need not be read again).

mod changes;
mod content_stamp;
mod contract;
mod declared;
mod left_out;
mod pem;
mod plain_file;
mod problems;
mod quarantine;
mod reader;
mod redaction;
mod report;
mod resolve;
mod schema;
mod source;
mod stored;
mod tree;
mod units;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use changes::{ChangeTurn, DeclaredChange};
pub use declared::{DeclaredTable, is_secret_key};
pub use problems::{Problem, Severity};
pub use report::{Report, ReportStyle};
pub use resolve::{ApplicationNames, EarlierReading, ReadApplicationFiles};
pub use schema::schema;
pub use stored::{StoredApplication, StoredApplications, StoredObjects, StoredTable};

use crate::config::left_out::LeftOut;
use crate::config::problems::{At, Problems};
use crate::config::resolve::ResolvedModel;
use crate::config::source::Sources;
use crate::model::Model;
use crate::model::identity::Identities;
use crate::model::store::StoreSettings;

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    pub model: Model,
    /// Settings that work, but are probably not meant.
    pub warnings: Report,
    /// All files that were read; a change of one of them triggers a reload.
    pub watched: Vec<PathBuf>,
    /// The files as they were read, for the next change of the store.
    pub files: Arc<ConfigFiles>,
    /// Makes applications of the store by the names of this configuration.
    pub names: Arc<ApplicationNames>,
    /// The application files, so that the next reading can leave out those that are the same.
    pub application_files: Option<Arc<ReadApplicationFiles>>,
}

/// The files of a configuration, read but not resolved.
#[derive(Debug, Clone)]
pub struct ConfigFiles {
    path: PathBuf,
    sources: Sources,
    /// The problems that reading found.
    problems: Vec<Problem>,
    watched: Vec<PathBuf>,
    left_out: LeftOut,
}

impl ConfigFiles {
    /// Reads a `gateway.toml`, or a part of one, with the files that it includes.
    pub fn read(path: &Path) -> Self {
        let problems = Problems::default();
        let sources = Sources::read(path, &problems);
        let (problems, watched) = problems.into_parts();
        let left_out = LeftOut::default();
        Self { path: path.to_owned(), sources, problems, watched, left_out }
    }

    /// Returns the settings of the store, if its objects are served.
    pub fn store_settings(&self) -> Result<Option<StoreSettings>, Report> {
        let problems = Problems::after(&self.problems, &self.watched);
        let settings = resolve::store_settings(&self.sources, &problems);
        let report = Report::new(problems.into_parts().0, &self.sources);
        if report.has_errors() { Err(report) } else { Ok(settings) }
    }

    /// Returns the state folder, by which a command finds the running gateway.
    pub fn state_dir(&self) -> PathBuf {
        resolve::state_dir(&self.sources, &Problems::default())
    }

    /// Returns the objects that the files declare, without those of application files.
    pub fn declared(&self) -> Vec<DeclaredTable> {
        declared::declared(&self.sources)
    }

    /// Returns these files without broken APIs, key managers and application files, if the main
    /// file asks for that and nothing is opened by it.
    pub fn without_broken(&self, identities: &Identities, stored: &[StoredTable]) -> Option<Self> {
        if !quarantine::is_wanted(&self.sources) {
            return None;
        }
        let Self { sources, problems, watched, .. } = self;
        let left = quarantine::without_broken(sources, problems, watched, identities, stored)?;
        let quarantine::Remainder { sources, watched, left_out } = left;
        Some(Self { sources, watched, left_out, ..self.clone() })
    }

    /// Makes the model of files and store, with all problems in one report.
    pub fn resolve(
        self: &Arc<Self>,
        identities: &Identities,
        stored: StoredObjects<'_>,
    ) -> Result<Loaded, Report> {
        let problems = Problems::after(&self.problems, &self.watched);
        let sources = match stored.applications {
            StoredApplications::None | StoredApplications::NoneSince(_) => self.sources.clone(),
            _ => self.sources.clone().with_store(&stored.tables),
        };
        let ResolvedModel { mut model, names, application_files } =
            resolve::model(&sources, &problems, identities, &self.left_out, stored.applications);
        for told in &self.left_out.told {
            let message = format!("left out, because of `gateway.quarantine`: {told}");
            problems.warning(At::File { path: self.path.clone() }, message, None);
        }
        model.quarantined.clone_from(&self.left_out.told);
        let (problems, watched) = problems.into_parts();
        let report = Report::new(problems, &sources);
        if report.has_errors() {
            return Err(report);
        }
        Ok(Loaded {
            model,
            warnings: report,
            watched: sources.watched(watched),
            files: Arc::clone(self),
            names: Arc::new(names),
            application_files,
        })
    }

    /// Makes the model of a gateway that is to run. A file without a listener is refused. So is a
    /// file without an API if there is no store that could have some: such a gateway serves
    /// nothing, and a file that a full disk cut off looks the same.
    pub fn resolve_gateway(
        self: &Arc<Self>,
        identities: &Identities,
        stored: StoredObjects<'_>,
    ) -> Result<Loaded, Report> {
        const HINT: &str = "was the file emptied or cut off while it was written, or does \
                            `include` match nothing?";
        let loaded = self.resolve(identities, stored)?;
        let message = if loaded.model.listeners.is_empty() {
            "there is no [[listeners]]: a gateway without one serves nobody"
        } else if loaded.model.apis.is_empty() && !loaded.model.has_store() {
            "there is no [[apis]]: a gateway without one answers 404 to every request"
        } else {
            return Ok(loaded);
        };
        Err(Report::of_file(&self.path, message, HINT))
    }
}

/// Reads the configuration of a gateway that is to run, from files alone. Objects that a running
/// process knows keep their slots in `identities`.
pub fn load_gateway(path: &Path, identities: &Identities) -> Result<Loaded, Report> {
    Arc::new(ConfigFiles::read(path)).resolve_gateway(identities, StoredObjects::default())
}

/// Reads a `gateway.toml`, or a part of one, with all files that it names.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    Arc::new(ConfigFiles::read(path)).resolve(&Identities::default(), StoredObjects::default())
}
