//! The deny conditions in force, and the requests that they match.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::model::policy::{AddressRange, DenyTarget, Throttling};

/// The deny conditions that are in force.
#[derive(Debug, Default)]
pub struct CompiledDeny {
    apis: HashSet<String>,
    /// The denied applications by owner and name.
    applications: HashSet<(String, String)>,
    users: HashSet<String>,
    addresses: Vec<AddressRange>,
    /// Addresses outside each of these ranges are denied.
    others: Vec<AddressRange>,
}

/// The kind of deny condition that refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedBy {
    Api,
    Application,
    User,
    Address,
}

impl DeniedBy {
    pub fn label(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Application => "application",
            Self::User => "user",
            Self::Address => "client's address",
        }
    }
}

impl CompiledDeny {
    pub(super) fn of(throttling: &Throttling) -> Option<Self> {
        let mut all = Self::default();
        let mut any = false;
        for deny in throttling.deny.iter().filter(|deny| deny.enabled) {
            any = true;
            match &deny.target {
                DenyTarget::Api(path) => drop(all.apis.insert(path.clone())),
                DenyTarget::Application { owner, name } => {
                    all.applications.insert((owner.clone(), name.clone()));
                }
                DenyTarget::User(name) => drop(all.users.insert(name.clone())),
                DenyTarget::Addresses { range, inverted: false } => all.addresses.push(*range),
                DenyTarget::Addresses { range, inverted: true } => all.others.push(*range),
            }
        }
        any.then_some(all)
    }

    /// Tells whether some condition needs client addresses.
    pub fn needs_address(&self) -> bool {
        !(self.addresses.is_empty() && self.others.is_empty())
    }

    /// The kind of condition that denies a request, the API's first.
    pub fn denies(
        &self,
        base_path: &str,
        application: Option<(&str, &str)>,
        user: Option<&str>,
        address: IpAddr,
    ) -> Option<DeniedBy> {
        let is_application = |(owner, name): (&str, &str)| {
            // a set of pairs cannot be asked without owning them, and few gateways deny
            // applications
            self.applications.iter().any(|(o, n)| o == owner && n == name)
        };
        if self.apis.contains(base_path) {
            Some(DeniedBy::Api)
        } else if application.is_some_and(is_application) {
            Some(DeniedBy::Application)
        } else if user.is_some_and(|user| self.users.contains(user)) {
            Some(DeniedBy::User)
        } else if self.addresses.iter().any(|range| range.holds(address))
            || self.others.iter().any(|range| !range.holds(address))
        {
            Some(DeniedBy::Address)
        } else {
            None
        }
    }
}
