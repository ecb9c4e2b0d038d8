//! The configuration in force compared with a file, in the gateway that runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{ChangeTurn, Loaded};
use crate::management::ReloadOutcome;
use crate::supervise::access_lines::{access_of, note_last_uses};
use crate::supervise::background;
use crate::supervise::error::SuperviseError;
use crate::supervise::file_stamp::{FileStamp, was_written_since};
use crate::supervise::inventory::Inventory;
use crate::supervise::planning::compare::{PlanSide, compare};
use crate::supervise::planning::plan::{Plan, PlannedChange};
use crate::supervise::reload::Reloader;
use crate::supervise::settled_files::SettledFiles;

impl Reloader {
    /// Returns the changes that a reload of this file would make. `seen` is the state of the files
    /// when they were last read.
    pub(in crate::supervise) async fn plan(
        &self,
        file: PathBuf,
        seen: Vec<FileStamp>,
    ) -> ReloadOutcome {
        let planned = match self.planned(file, seen).await {
            Ok(planned) => planned,
            Err(error) => return ReloadOutcome::Refused { report: error.describe() },
        };
        match serde_json::to_value(&planned) {
            Ok(plan) => ReloadOutcome::Planned { plan },
            Err(error) => ReloadOutcome::Refused { report: error.to_string() },
        }
    }

    async fn planned(&self, file: PathBuf, seen: Vec<FileStamp>) -> Result<Plan, SuperviseError> {
        let store = self.provisioning.follower.as_ref().map(|own| own.reader().clone());
        let SettledFiles { loaded, .. } = self.publisher.read_once(file, store.clone()).await?;
        let guarded =
            self.inventory().guard(&Inventory::of(&loaded.model), self.settings.reload_max_removed);
        let snapshot = self.publisher.snapshots().load();
        let files = Arc::clone(&self.provisioning.files);
        let compared = move || {
            let before = PlanSide {
                files: &files,
                access: access_of(&snapshot),
                directory: &snapshot.directory,
            };
            let (mut plan, access) = compare(&before, &loaded);
            for path in written(&loaded, &seen) {
                plan.add(PlannedChange {
                    change: ChangeTurn::Changed,
                    kind: "file".to_owned(),
                    name: path.display().to_string(),
                    keys: Vec::new(),
                });
            }
            (plan, access)
        };
        let compared = background::done(compared).await;
        let (mut plan, mut access) = compared.ok_or(SuperviseError::Unread)?;
        plan.warnings.extend(guarded.err().map(|refused| refused.to_string()));
        if let Some(store) = &store {
            note_last_uses(&**store.store(), &mut access).await;
        }
        plan.add_access(&access);
        Ok(plan)
    }
}

/// Returns the files that the configuration names, such as certificates, and that were written
/// after the gateway had read them.
fn written<'l>(loaded: &'l Loaded, seen: &[FileStamp]) -> Vec<&'l Path> {
    let compared = |path: &&PathBuf| !loaded.model.files.iter().any(|own| own == path.as_path());
    let named = loaded.watched.iter().filter(compared);
    named.filter(|path| was_written_since(path, seen)).map(PathBuf::as_path).collect()
}
