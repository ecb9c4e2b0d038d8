//! Counts the bodies of a connection that have not come to their end.

use std::cell::Cell;
use std::rc::Rc;

/// The number of a client connection's bodies that have not ended. A body that was given up never
/// ends: later bytes of its connection may still belong to it.
#[derive(Debug, Clone, Default)]
pub struct OpenBodies(Rc<Cell<u32>>);

impl OpenBodies {
    pub fn any(&self) -> bool {
        self.0.get() > 0
    }

    pub(super) fn opened(&self) {
        self.0.set(self.0.get().saturating_add(1));
    }

    pub(super) fn ended(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
