//! Two configurations compared.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::config::{ChangeTurn, ConfigFiles, Loaded, Report, StoredObjects};
use crate::model::directory::{ApplicationView, Directory};
use crate::model::identity::Identities;
use crate::model::{AccessDifference, AccessState, Among};
use crate::supervise::planning::plan::{Plan, PlannedChange};

/// One side of a comparison.
pub(super) struct PlanSide<'s> {
    pub(super) files: &'s ConfigFiles,
    pub(super) access: AccessState<'s>,
    pub(super) directory: &'s Directory,
}

/// Compares two files, without a store.
pub fn between_files(before: &Path, after: &Path) -> Result<Plan, Report> {
    let identities = Identities::default();
    let load = |path: &Path| {
        let files = Arc::new(ConfigFiles::read(path));
        files.resolve_gateway(&identities, StoredObjects::default())
    };
    let (before, after) = (load(before)?, load(after)?);
    let (mut plan, access) = compare(&side(&before), &after);
    plan.add_access(&access);
    Ok(plan)
}

fn side(loaded: &Loaded) -> PlanSide<'_> {
    PlanSide {
        files: &loaded.files,
        access: AccessState::of(&loaded.model),
        directory: &loaded.model.directory,
    }
}

/// Compares the configuration in force with another one. The slots of both must be of the same
/// identities. The access is not part of the plan yet, so that last uses can be added to it first.
pub(super) fn compare(before: &PlanSide<'_>, after: &Loaded) -> (Plan, AccessDifference) {
    let mut plan = Plan { warnings: after.warnings.problems().collect(), ..Plan::default() };
    let after = side(after);
    let mut told = HashSet::new();
    for change in before.files.changes_to(after.files) {
        if change.list == "applications" {
            told.insert(change.name.clone());
        }
        plan.add(PlannedChange::of(change));
    }
    applications(before.directory, after.directory, &told, &mut plan);
    (plan, before.access.difference(&after.access, Among::All))
}

/// Compares the applications of application files, which are no tables.
fn applications(before: &Directory, after: &Directory, told: &HashSet<String>, plan: &mut Plan) {
    let mut add = |turn: ChangeTurn, name: &str, keys: Vec<&str>| {
        if !told.contains(name) {
            plan.add(PlannedChange {
                change: turn,
                kind: "application".to_owned(),
                name: name.to_owned(),
                keys: keys.into_iter().map(ToOwned::to_owned).collect(),
            });
        }
    };
    for new in after.applications().filter(is_of_a_file) {
        match before.named(new.name).filter(is_of_a_file) {
            None => add(ChangeTurn::Created, new.name, Vec::new()),
            Some(old) => {
                let keys: Vec<_> = old.differing(&new).collect();
                if !keys.is_empty() {
                    add(ChangeTurn::Changed, new.name, keys);
                }
            }
        }
    }
    for old in before.applications().filter(is_of_a_file) {
        if !after.named(old.name).as_ref().is_some_and(is_of_a_file) {
            add(ChangeTurn::Removed, old.name, Vec::new());
        }
    }
}

fn is_of_a_file(application: &ApplicationView<'_>) -> bool {
    application.place.revision().is_none()
}
