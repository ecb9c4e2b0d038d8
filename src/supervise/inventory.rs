//! Counts what a configuration serves, and guards a reload against taking most of it away.
//!
//! An empty application file, an `include` whose folder is not mounted, a file that was cut off at
//! the end of a table: each is a valid configuration. It is hardly ever meant, and half of the
//! clients would be locked out.

use crate::model::Model;

/// The number of objects of each kind in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub struct Inventory {
    pub listeners: usize,
    pub apis: usize,
    pub applications: usize,
}

/// A reload would take away more than it may without a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the files take away {removed} of {before} {what}, and gateway.reload_max_removed allows {} \
     of them; nothing changed. \
     If this is meant, confirm it: `portcullis reload --confirm removals`, or POST \
     /reload?confirm=removals",
    f64::from(*allowed) / 1000.0
)]
pub struct TooManyRemoved {
    what: &'static str,
    removed: usize,
    before: usize,
    /// The allowed share, in thousandths.
    allowed: u16,
}

impl Inventory {
    pub fn of(model: &Model) -> Self {
        Self {
            listeners: model.listeners.len(),
            apis: model.apis.len(),
            applications: model.directory.application_count(),
        }
    }

    /// Refuses `next` if it holds less of a kind by more than this share, in thousandths. It
    /// compares counts and not names, since renamed and replaced objects were not taken away.
    pub fn guard(&self, next: &Self, allowed: u16) -> Result<(), TooManyRemoved> {
        let kinds = [
            ("listeners", self.listeners, next.listeners),
            ("APIs", self.apis, next.apis),
            ("applications", self.applications, next.applications),
        ];
        for (what, before, after) in kinds {
            let removed = before.saturating_sub(after);
            if removed.saturating_mul(1000) > before.saturating_mul(usize::from(allowed)) {
                return Err(TooManyRemoved { what, removed, before, allowed });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_share_is_refused() {
        let inventory = |applications| Inventory { listeners: 2, apis: 2, applications };
        for (before, after, allowed, refused) in [
            (10, 5, 500, false),
            (10, 4, 500, true),
            (1, 0, 500, true),
            (10, 0, 1000, false),
            (10, 9, 0, true),
            (10, 11, 0, false),
            (0, 0, 0, false),
        ] {
            let outcome = inventory(before).guard(&inventory(after), allowed);
            assert_eq!(outcome.is_err(), refused, "{before} to {after} with {allowed}");
        }
        let error = inventory(10).guard(&inventory(1), 500).unwrap_err().to_string();
        assert!(error.contains("9 of 10 applications") && error.contains("allows 0.5"), "{error}");
    }
}
