//! The proof that a user signed in, with the user's roles.

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::StatusCode;

use crate::admin::refused::Refused;
use crate::store::Author;

/// The peer of a request, put into its extensions by the management listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// A user who signed in. Only [`access`](super::access) makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub name: String,
    pub address: IpAddr,
    pub groups: Vec<String>,
    /// The names of its roles, which permissions of key managers speak of.
    pub roles: Vec<String>,
    pub scopes: CallerScopes,
}

/// The scopes of WSO2's APIs (`apim:...`) that a caller has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerScopes(BTreeSet<String>);

impl CallerScopes {
    pub fn new(scopes: impl IntoIterator<Item = String>) -> Self {
        Self(scopes.into_iter().collect())
    }

    pub fn holds(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }
}

impl Caller {
    /// Refuses a caller without any of these scopes, which are written without `apim:`.
    pub fn needs(&self, any_of: &[&str]) -> Result<(), Refused> {
        if any_of.iter().any(|scope| self.scopes.holds(&format!("apim:{scope}"))) {
            return Ok(());
        }
        let wanted: Vec<_> = any_of.iter().map(|scope| format!("apim:{scope}")).collect();
        let description = format!("the call needs one of these scopes: {}", wanted.join(", "));
        Err(Refused::new(StatusCode::FORBIDDEN, 900_910, "Access denied", description))
    }

    /// Tells whether the caller may see and change objects of others.
    pub fn is_administrator(&self) -> bool {
        self.scopes.holds("apim:admin")
    }

    /// Tells whether an object of this owner and these groups is the caller's own.
    pub fn owns(&self, owner: Option<&str>, groups: &[String]) -> bool {
        self.is_administrator()
            || owner == Some(self.name.as_str())
            || groups.iter().any(|group| self.groups.contains(group))
    }

    pub fn author(&self) -> Author {
        Author { name: self.name.clone(), address: Some(self.address) }
    }
}
