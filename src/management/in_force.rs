//! The listeners and limits of this process, for commands that ask.

use std::sync::{Mutex, PoisonError};

use crate::explain::Listening;

/// The state in force; start and reload write it.
#[derive(Debug, Default)]
pub struct InForce(Mutex<InForceState>);

#[derive(Debug, Clone, Default)]
pub struct InForceState {
    pub listening: Vec<Listening>,
    /// A share, in thousandths.
    pub reload_max_removed: u16,
}

impl InForce {
    pub fn set(&self, standing: InForceState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    pub fn get(&self) -> InForceState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
