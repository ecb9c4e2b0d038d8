//! The failures of the access log.

use std::path::PathBuf;

/// The reason why the access log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    #[error("the access log \"{path}\" cannot be opened")]
    Open { path: PathBuf, source: std::io::Error },
    #[error("the standard stream of the access log is not open")]
    Stream { source: std::io::Error },
    #[error("the thread that writes the access log cannot be started")]
    Thread { source: std::io::Error },
    #[error("the last lines of the access log could not be written in time")]
    Unfinished,
}
