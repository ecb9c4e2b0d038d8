//! Takes broken objects out of a configuration, so that all others can be used.
//!
//! Nothing may open by this. If a request or a token could reach another object instead of the
//! missing one, the configuration is refused as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::left_out::{LeftOut, member};
use crate::config::problems::{At, Problem, Problems, Severity};
use crate::config::report::Report;
use crate::config::resolve::{self, ResolvedModel};
use crate::config::source::{SourcePlace, Sources};
use crate::config::stored::{StoredApplications, StoredTable};
use crate::config::tree::{TomlContent, TomlValue};
use crate::model::identity::Identities;

/// The lists whose entries can be left out.
const LISTS: [&str; 3] = ["apis", "key_managers", "application_files"];

/// The most rounds. An API that names a missing key manager is removed in the next round, and
/// nothing depends on an API, so more rounds change nothing.
const MOST_ROUNDS: usize = 8;

/// A configuration without its broken objects.
pub(super) struct Remainder {
    pub(super) sources: Sources,
    pub(super) watched: Vec<PathBuf>,
    pub(super) left_out: LeftOut,
}

/// Returns the configuration without the objects that have errors, or `None` if that does not help
/// or opens something. `found` are the problems that reading the files found.
pub(super) fn without_broken(
    sources: &Sources,
    found: &[Problem],
    watched: &[PathBuf],
    identities: &Identities,
    stored: &[StoredTable],
) -> Option<Remainder> {
    let (sources, watched) = (sources.clone(), watched.to_vec());
    let mut left = Remainder { sources, watched, left_out: LeftOut::default() };
    for _ in 0..MOST_ROUNDS {
        let problems = Problems::after(found, &left.watched);
        let sources = left.sources.clone().with_store(stored);
        let applications = &mut std::iter::empty();
        let ResolvedModel { model, .. } = resolve::model(
            &sources,
            &problems,
            identities,
            &left.left_out,
            StoredApplications::Each(applications),
        );
        let (found, watched) = problems.into_parts();
        left.watched = sources.watched(watched);
        let mut broken: BTreeMap<SourcePlace, Vec<Problem>> = BTreeMap::new();
        for problem in found {
            if problem.severity == Severity::Error {
                let place = place(&left.sources, &problem.at)?;
                broken.entry(place).or_default().push(problem);
            }
        }
        if broken.is_empty() {
            return left.left_out.opens_nothing(&model).then_some(left);
        }
        // from the end, so that the places of the others stay
        for (place, problems) in broken.into_iter().rev() {
            let why = Report::new(problems, &sources).problems().collect::<Vec<_>>().join("; ");
            let object = left.sources.take_out(&place)?;
            left.left_out.note(place.list, &object, &why)?;
        }
    }
    None
}

/// Tells whether the main file asks for this.
pub(super) fn is_wanted(sources: &Sources) -> bool {
    let main = sources.tables().next();
    let gateway = main.and_then(|(_, members)| member(members, "gateway"));
    let Some(TomlContent::Table(gateway)) = gateway else { return false };
    matches!(member(gateway, "quarantine"), Some(TomlContent::Flag(true)))
}

/// Finds the entry of a list that an error is in.
fn place(sources: &Sources, at: &At) -> Option<SourcePlace> {
    let is_in = |list: &str, file: u16, value: &TomlValue| match at {
        At::Span { file: own, span } => *own == file && holds(value, span.start),
        At::Line { path, .. } | At::File { path } => match &value.content {
            TomlContent::Text(text) if list == "application_files" => {
                sources.resolve(text) == *path
            }
            _ => false,
        },
    };
    for (file, members) in sources.tables() {
        for list in LISTS {
            let Some(TomlContent::Array(all)) = member(members, list) else { continue };
            if let Some(position) = all.iter().position(|value| is_in(list, file, value)) {
                return Some(SourcePlace { file, list, position });
            }
        }
    }
    None
}

fn holds(value: &TomlValue, at: usize) -> bool {
    value.span.start == at
        || value.span.contains(&at)
        || match &value.content {
            TomlContent::Array(all) => all.iter().any(|value| holds(value, at)),
            TomlContent::Table(members) => {
                members.iter().any(|own| own.span.contains(&at) || holds(&own.value, at))
            }
            _ => false,
        }
}
