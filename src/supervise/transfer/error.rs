//! The reasons for which objects could not be moved.

use crate::config::Report;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The file has another form.
    #[error("{0}")]
    Form(String),
    /// The gateway could not serve the result.
    #[error("the result has errors")]
    Refused(Box<Report>),
}
