//! Reads `gateway.toml` into a [`Model`], or reports every error at once ([`Report`]).
//!
//! This room reads files and nothing else: it opens no socket and asks no server. A key whose
//! feature does not exist yet is refused by name. A key that is not written has a default, and no
//! default opens anything.
//!
//! The files: [`source`] and [`tree`] (files, values and their places), [`contract`] (every key,
//! for the reader, the hints and the JSON Schema), [`reader`] (typed values), [`problems`] (errors
//! collected), [`units`] (durations and sizes), [`plain_file`] and [`pem`] (files that are named),
//! [`resolve`] (one file for each noun), [`report`] (for operators), [`redaction`] (keeps secrets
//! out of reports), [`mod@schema`].

mod contract;
mod pem;
mod plain_file;
mod problems;
mod reader;
mod redaction;
mod report;
mod resolve;
mod schema;
mod source;
mod tree;
mod units;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use problems::{Problem, Severity};
pub use report::Report;
pub use schema::schema;

use crate::config::problems::Problems;
use crate::config::source::Sources;
use crate::model::Model;
use crate::model::identity::Identities;

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    pub model: Model,
    /// Settings that work, but are probably not meant.
    pub warnings: Report,
    /// All files that were read; a change of one of them is a reason to reload.
    pub watched: Vec<PathBuf>,
}

/// Reads the configuration of a gateway that is to run.
///
/// A file without a listener or without an API is refused: it would serve nobody, and a file that a
/// full disk has cut off looks like this. Objects that a running process knows keep their slots in
/// `identities`.
pub fn load_gateway(path: &Path, identities: &Identities) -> Result<Loaded, Report> {
    const HINT: &str =
        "was the file emptied or cut off while it was written, or does `include` match nothing?";
    let loaded = load_with(path, identities)?;
    let message = if loaded.model.listeners.is_empty() {
        "there is no [[listeners]]: a gateway without one serves nobody"
    } else if loaded.model.apis.is_empty() {
        "there is no [[apis]]: a gateway without one answers 404 to every request"
    } else {
        return Ok(loaded);
    };
    Err(Report::of_file(path, message, HINT))
}

/// Reads a `gateway.toml`, or a part of one, with all files that it names.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    load_with(path, &Identities::default())
}

fn load_with(path: &Path, identities: &Identities) -> Result<Loaded, Report> {
    let problems = Problems::default();
    let sources = Sources::read(path, &problems);
    let model = resolve::model(&sources, &problems, identities);
    let (problems, watched) = problems.into_parts();
    let report = Report::new(problems, &sources);
    if report.has_errors() {
        return Err(report);
    }
    Ok(Loaded { model, warnings: report, watched: sources.watched(watched) })
}
