//! The numbers of applications, keys and subscriptions of a directory.

use crate::model::application::Application;
use crate::model::directory::view::ApplicationView;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    pub(super) applications: usize,
    pub(super) keys: usize,
    pub(super) subscriptions: usize,
}

impl Totals {
    pub(super) fn new(application: &Application<'_>) -> Self {
        Self {
            applications: 1,
            keys: application.keys.as_slice().len(),
            subscriptions: application.subscriptions.as_slice().len(),
        }
    }

    pub(super) fn of(view: &ApplicationView<'_>) -> Self {
        Self {
            applications: 1,
            keys: view.keys().count(),
            subscriptions: view.subscriptions().count(),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            applications: self.applications.saturating_add(other.applications),
            keys: self.keys.saturating_add(other.keys),
            subscriptions: self.subscriptions.saturating_add(other.subscriptions),
        }
    }

    pub(super) fn less(self, other: Self) -> Self {
        Self {
            applications: self.applications.saturating_sub(other.applications),
            keys: self.keys.saturating_sub(other.keys),
            subscriptions: self.subscriptions.saturating_sub(other.subscriptions),
        }
    }
}
