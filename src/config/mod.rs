//! `gateway.toml` -> [`Model`], or a [`Report`] with every error at once.
//!
//! Decides what the operator's words mean and what of them cannot be. Reads files and nothing else: opens no socket, asks
//! no server. A key whose feature does not exist yet is refused by its name; what is not written has its default, and no
//! default opens anything.
//!
//! The walk through the files: [`source`] and [`tree`] (texts, values and
//! their places), [`contract`] (every name that may be written, the one
//! table behind the reader, the hints and the JSON Schema), [`reader`] (typed values) with [`problems`] (errors collected), [`units`]
//! (durations and sizes), [`plain_file`] (opening what is named), [`resolve`] (one file a noun), [`report`]
//! (what an operator reads), [`redaction`] (what no report shows), [`mod@schema`].

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
    /// What can be used, but is probably not meant.
    pub warnings: Report,
    /// Every file that was read, and that a change of should be noticed in.
    pub watched: Vec<PathBuf>,
}

/// Reads the configuration of a gateway that is to run.
///
/// A file without a listener or without an API is refused: it serves nobody, and it is what a file looks like that a full
/// disk has cut off. What a running process knows already keeps its slot in `identities`.
pub fn load_gateway(path: &Path, identities: &Identities) -> Result<Loaded, Report> {
    const HINT: &str =
        "was the file emptied or cut off while it was written, or does `include` match nothing?";
    let loaded = load_with(path, identities)?;
    let message = if loaded.model.listeners.is_empty() {
        "no [[listeners]]: a gateway without one serves nobody"
    } else if loaded.model.apis.is_empty() {
        "no [[apis]]: a gateway without one answers 404 to everybody"
    } else {
        return Ok(loaded);
    };
    Err(Report::of_file(path, message, HINT))
}

/// Reads a `gateway.toml`, or a part of one, with everything that it names.
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
