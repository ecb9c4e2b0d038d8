//! Compares two directories.

use crate::model::directory::lookup::{ApplicationChange, Directory};
use crate::model::directory::view::ApplicationView;

/// If more applications changed than this, an overlay does not pay: the new applications become the
/// base.
pub const MOST_OVERLAID: usize = 10_000;

impl Directory {
    /// Returns the changes that make this directory into `next`, or `None` if there are more than
    /// `most`.
    pub fn difference<'a>(
        &'a self,
        next: &'a Self,
        most: usize,
    ) -> Option<Vec<ApplicationChange<'a>>> {
        let mut changes = Vec::new();
        for application in next.applications() {
            let before = self.slot_of(application.name).and_then(|slot| self.application(slot));
            if before.is_none_or(|before| !same(&before, &application)) {
                changes.push(ApplicationChange::Put(application.to_application()));
            }
            if changes.len() > most {
                return None;
            }
        }
        let kept = next.application_count().saturating_sub(
            changes.iter().filter(|change| self.slot_of(change.name()).is_none()).count(),
        );
        if kept == self.application_count() {
            return Some(changes);
        }
        let gone = self.applications().filter(|before| next.slot_of(before.name).is_none());
        for before in gone {
            changes.push(ApplicationChange::Remove(before.name));
            if changes.len() > most {
                return None;
            }
        }
        Some(changes)
    }
}

fn same(one: &ApplicationView<'_>, other: &ApplicationView<'_>) -> bool {
    one.place == other.place && one.differing(other).next().is_none()
}
