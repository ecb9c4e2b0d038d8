//! Prepares `state_dir` before anything is accepted.

use std::path::Path;

use crate::state_dir::{self, FolderNote};
use crate::supervise::error::SuperviseError;

/// Checks the folder before any connection is accepted: it must exist, be writable and belong to
/// this user alone.
pub(super) fn own_folder(path: &Path) -> Result<(), SuperviseError> {
    let note = state_dir::prepare(path)
        .map_err(|source| SuperviseError::Folder { path: path.to_owned(), source })?;
    let folder = path.display();
    match note {
        None => {}
        Some(FolderNote::Tightened(mode)) => {
            tracing::info!(
                target: "portcullis::supervise",
                %folder,
                before = format!("{mode:04o}"),
                "only the owner can use state_dir now (mode 0700)",
            );
        }
        Some(FolderNote::Open(mode)) => {
            tracing::warn!(
                target: "portcullis::supervise",
                %folder,
                mode = format!("{mode:04o}"),
                "others can use state_dir too, and what is in it decides which tokens are good; \
                 give the gateway a folder of its own with mode 0700",
            );
        }
    }
    Ok(())
}
