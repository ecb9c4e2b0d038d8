//! The operations of an API as a caller names them, and their differences.

use std::collections::BTreeMap;

use crate::model::access::state::ReachableApi;
use crate::model::api::{AuthScheme, HostPattern, Operation, SubscriptionRule};

/// The operations of an API, grouped by the callers that they admit. Each is its method with its
/// address, such as `GET /accounts/1.0.0/accounts/{id}`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ApiAddresses {
    /// Operations that need a token, each with its scopes. A token needs one of them.
    pub(super) protected: BTreeMap<String, Vec<String>>,
    /// Operations for callers without a token.
    pub(super) open: BTreeMap<String, Vec<String>>,
    /// Protected operations need a subscription.
    pub(super) subscribed: bool,
}

impl ApiAddresses {
    /// Returns no operation for an API that does not exist or is not served.
    pub(super) fn of(api: Option<&ReachableApi<'_>>) -> Self {
        let Some(api) = api.filter(|api| api.is_served()).map(|api| api.definition) else {
            return Self { subscribed: true, ..Self::default() };
        };
        let mut hosts: Vec<String> = api.hosts.iter().map(host).collect();
        if hosts.is_empty() {
            hosts.push(String::new());
        }
        let bases = std::iter::once(&api.base_path).chain(&api.default_base_path);
        let mut own =
            Self { subscribed: api.subscription == SubscriptionRule::Required, ..Self::default() };
        for base in bases {
            for host in &hosts {
                for operation in &api.operations {
                    own.add(&format!("{host}{base}"), operation);
                }
            }
        }
        own
    }

    fn add(&mut self, base: &str, operation: &Operation) {
        let method = operation.method.as_str();
        let address = format!("{method} {base}{}", operation.template.as_str());
        let mut scopes: Vec<String> =
            operation.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
        scopes.sort();
        match operation.auth {
            AuthScheme::Required => self.protected.insert(address, scopes),
            AuthScheme::None => self.open.insert(address, scopes),
        };
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.protected.keys().cloned().collect()
    }
}

/// Returns the keys of one map that another does not have.
pub(super) fn beyond(
    one: &BTreeMap<String, Vec<String>>,
    other: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    one.keys().filter(|address| !other.contains_key(*address)).cloned().collect()
}

fn host(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Below(suffix) => format!("*{suffix}"),
    }
}
