//! What this process serves, for commands that ask it.

use std::sync::{Mutex, PoisonError};

use crate::explain::Listening;

/// Written by whoever starts and reloads.
#[derive(Debug, Default)]
pub struct InForce(Mutex<Standing>);

#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub listening: Vec<Listening>,
    /// In thousandths.
    pub reload_max_removed: u16,
}

impl InForce {
    pub fn set(&self, standing: Standing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    pub fn get(&self) -> Standing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
