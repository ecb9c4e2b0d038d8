//! Previews changes: they are applied to a copy, which is compared and dropped.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::admin::{Preview, PreviewDetail, PreviewProblem};
use crate::config::Loaded;
use crate::model::application::Application;
use crate::model::directory::{ApplicationChange, Directory};
use crate::model::{AccessDifference, AccessState, Among};
use crate::snapshot::Snapshot;
use crate::store::{Change, StoreError};
use crate::supervise::access_lines::{access_of, note_last_uses};
use crate::supervise::background;
use crate::supervise::error::SuperviseError;
use crate::supervise::provisioning::applying::declared_in_file;
use crate::supervise::reload::Reloader;

impl Reloader {
    /// Returns the effects of changes, or the reason for which they cannot come into force.
    pub(super) async fn preview(
        &self,
        changes: &[Change],
        detail: PreviewDetail,
    ) -> Result<Preview, Vec<PreviewProblem>> {
        let Some(follower) = &self.provisioning.follower else {
            let message = "there is no store".to_owned();
            return Err(vec![PreviewProblem { message, hint: None }]);
        };
        let previewed = follower.preview(changes, detail).await;
        let (tables, applications) = previewed.map_err(|error| vec![problem(&error)])?;
        let mut preview = Preview::default();
        let mut loaded = None;
        if let Some(tables) = tables {
            let files = Arc::clone(&self.provisioning.files);
            let resolved = self.publisher.resolve(files, tables.to_vec()).await;
            let resolved = resolved.map_err(|error| problems(&error))?;
            preview.warnings = resolved.warnings.problems().collect();
            loaded = Some(resolved);
        }
        let names = loaded.as_ref().map_or(&self.provisioning.names, |own| &own.names);
        let mut faults = Vec::new();
        let mut made: Vec<Application<'static>> = Vec::new();
        let mut former: Vec<String> = Vec::new();
        for application in applications {
            former.extend(application.former_names);
            let Some(stored) = application.current else { continue };
            match names.application(&stored) {
                Ok(application) => made.push(application),
                Err((message, hint)) => faults.push(PreviewProblem { message, hint }),
            }
        }
        let removed = former.iter().map(|name| ApplicationChange::Remove(name));
        let puts: Vec<_> = removed.chain(made.into_iter().map(ApplicationChange::Put)).collect();
        let snapshot = self.publisher.snapshots().load();
        faults.extend(declared(&snapshot, &puts));
        if !faults.is_empty() {
            return Err(faults);
        }
        match snapshot.directory.with(&puts) {
            Err(conflict) => {
                // a collision with the store is the database's to refuse, with its own code
                let with_file = conflict.other().is_some_and(|other| other.revision().is_none());
                if with_file {
                    let message = conflict.to_string();
                    return Err(vec![PreviewProblem { message, hint: None }]);
                }
            }
            Ok(next) if detail == PreviewDetail::Access => {
                let names = puts.iter().map(|change| change.name().to_owned()).collect();
                let mut access = compared(snapshot, loaded, next, names).await;
                note_last_uses(&**follower.reader().store(), &mut access).await;
                preview.access = access.lines();
            }
            Ok(_) => {}
        }
        Ok(preview)
    }
}

/// Compares the snapshot in force with a configuration, or with other applications alone.
async fn compared(
    snapshot: Arc<Snapshot>,
    loaded: Option<Loaded>,
    next: Directory,
    names: BTreeSet<String>,
) -> AccessDifference {
    let compare = move || {
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let before = access_of(&snapshot);
        let after = match &loaded {
            Some(Loaded { model, .. }) => AccessState::of(model).with_directory(&next),
            None => before.with_directory(&next),
        };
        before.difference(&after, Among::Named(&names))
    };
    background::done(compare).await.unwrap_or_default()
}

/// Refuses changes of applications that a file declares.
fn declared(snapshot: &Snapshot, puts: &[ApplicationChange<'_>]) -> Vec<PreviewProblem> {
    let problem = |change: &ApplicationChange<'_>| {
        let place = declared_in_file(&snapshot.directory, change.name())?;
        let place = snapshot.settings.files.describe(place);
        let message = format!("application {:?} is declared in {place}", change.name());
        Some(PreviewProblem { message, hint: None })
    };
    puts.iter().filter_map(problem).collect()
}

fn problem(error: &StoreError) -> PreviewProblem {
    PreviewProblem { message: error.to_string(), hint: None }
}

fn problems(error: &SuperviseError) -> Vec<PreviewProblem> {
    match error {
        SuperviseError::Configuration(report) => report
            .errors()
            .map(|(message, hint)| PreviewProblem {
                message: message.to_owned(),
                hint: hint.map(ToOwned::to_owned),
            })
            .collect(),
        SuperviseError::Store(error) => vec![problem(error)],
        other => vec![PreviewProblem { message: other.describe(), hint: None }],
    }
}
