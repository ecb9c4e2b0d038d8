//! The header by which clients and users say who they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// HTTP Basic for this user.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
