//! Lists everything whose refusals are only observed.

use crate::model::policy::ExcessRule;
use crate::snapshot::Snapshot;

impl Snapshot {
    /// Names the APIs, operations, key managers and policies whose refusals are only observed.
    pub fn observing(&self) -> Vec<String> {
        let mut found = Vec::new();
        for api in &self.routes.apis {
            let api = &api.definition;
            if api.observes() {
                found.push(format!("API {} {}", api.name, api.version));
            }
            let operations = api.operations.iter().filter(|operation| operation.observe);
            found.extend(operations.map(|operation| {
                let method = operation.method.as_str();
                format!("{method} {} of API {} {}", operation.template, api.name, api.version)
            }));
        }
        let key_managers = self.key_managers.iter().map(|own| &own.definition);
        let observing = key_managers.filter(|own| own.enabled && own.rules.observe);
        found.extend(observing.map(|own| format!("key manager {}", own.name)));
        let policies = self.throttling.policies().map(|policy| &policy.definition);
        let observing = policies.filter(|policy| policy.excess == ExcessRule::Observe);
        found.extend(observing.map(|policy| format!("throttling policy {}", policy.name)));
        found
    }
}
