//! What this process serves, for commands that ask it.

use std::sync::{Mutex, PoisonError};

use crate::explain::Listening;

/// Written by whoever starts and reloads.
#[derive(Debug, Default)]
pub struct InForce(Mutex<InForceState>);

#[derive(Debug, Clone, Default)]
pub struct InForceState {
    pub listening: Vec<Listening>,
    /// In thousandths.
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
