//! Makes one base of a base and its overlay.

use std::sync::Arc;

use crate::model::directory::builder::DirectoryBuilder;
use crate::model::directory::conflict::Conflict;
use crate::model::directory::lookup::Directory;

impl Directory {
    /// Packs everything into a new base. Takes time that grows with the number of applications.
    pub fn compacted(&self) -> Result<Self, Conflict> {
        let packed = DirectoryBuilder::compacting(self).map(DirectoryBuilder::build)?;
        // each application keeps its slot, so the order of files' applications stays
        Ok(Self { declared: Arc::clone(&self.declared), ..packed })
    }

    /// Puts a compacted base under the changes since `compacted_from` was read. Returns `None` if
    /// another base is in use by now.
    pub fn rebased(&self, compacted_from: &Self, compacted: &Self) -> Option<Self> {
        let same_base = Arc::ptr_eq(&self.base, &compacted_from.base);
        same_base.then(|| Self {
            base: Arc::clone(&compacted.base),
            recent: Arc::new(self.recent.since(&compacted_from.recent)),
            declared: Arc::clone(&self.declared),
            base_use: Arc::clone(&compacted.base_use),
            totals: self.totals,
        })
    }
}
