//! The part that a key manager has in the provisioning of applications.

/// The ways in which an application gets keys of a key manager, and the users who can do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProvisioning {
    /// The management API makes tokens for developers.
    pub token_generation: bool,
    /// The management API makes clients at the authorization server.
    pub oauth_app_creation: bool,
    /// The management API accepts clients that exist already.
    pub out_of_band: bool,
    pub permissions: KeyPermissions,
}

/// The users who can create keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeyPermissions {
    #[default]
    Public,
    /// Users with any of these roles.
    Allow(Vec<String>),
    /// All users except those with any of these roles.
    Deny(Vec<String>),
}

impl Default for KeyProvisioning {
    fn default() -> Self {
        Self {
            token_generation: false,
            oauth_app_creation: false,
            out_of_band: true,
            permissions: KeyPermissions::default(),
        }
    }
}
