//! The settings with which the gateway makes clients at a key manager's server.

use crate::model::key_manager::introspection::Credentials;
use crate::model::secret::Secret;

/// The gateway's authentication at a registration service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistrationSettings {
    /// `credentials`, which are for introspection too.
    pub credentials: Option<Credentials>,
    /// RFC 7591 section 3.
    pub initial_access_token: Option<Secret>,
    /// RFC 7591 section 2.3.
    pub software_statement: Option<Secret>,
}
