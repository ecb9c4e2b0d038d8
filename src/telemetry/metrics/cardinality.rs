//! Computes how many series a configuration can come to, before it runs.
//!
//! An upper bound: every operation called by each of its methods, each call ending in every way
//! there is. The reasons beside `forwarded` have one status each, and statuses that are not
//! registered share one series, so the families grow like this:
//!
//! - exchanges: (methods of all operations + methods of unmatched requests) x (statuses + reasons -
//!   1)
//! - by API: APIs + 1 for requests without one; a histogram needs a series for each bucket, the sum
//!   and the count
//! - by listener and by key manager: their number, times the results or reasons there are

use std::collections::{HashMap, HashSet};

use super::exposition::{label_sets, series_each};
use super::families;
use super::family::{FamilyDefinition, Scale};
use super::operation::{METHODS, method_class};
use super::status::STATUS_CELLS;
use crate::model::Model;
use crate::model::api::{Api, Operation, OperationMethod};
use crate::model::backend::{BackendScheme, Target};
use crate::model::certificates;
use crate::model::organization::OrganizationRule;
use crate::model::reason::Reason;

/// The facts that the number of series depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExpectedLoad {
    pub apis: usize,
    /// The sum over all (API, operation) labels of the methods that they answer.
    pub operation_methods: usize,
    pub listeners: usize,
    pub key_managers: usize,
    /// The number of key managers that serve organizations which are not listed.
    pub templates: usize,
    /// The number of listed key managers and templates.
    pub judges: usize,
    /// Applications, where exchanges are counted by them.
    pub applications: usize,
    /// The number of throttling policies, and of backends with a hard limit.
    pub policies: usize,
    /// The number of targets with TLS, whose certificates are observed.
    pub servers: usize,
    /// Files of certificates.
    pub certificates: usize,
    /// The results that a fetch of a key set can have.
    pub fetch_results: usize,
    /// The reasons why a key can be unusable.
    pub skip_reasons: usize,
}

/// A family's worst case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilySeries {
    pub family: &'static str,
    /// The number of series without a cap.
    pub worst_case: usize,
    /// The number of series within `max_series`.
    pub capped: usize,
}

/// The `operation` label: the template as the operator wrote it. Operations of one template and
/// several methods share it, for the method is a label of its own.
pub fn operation_label(operation: &Operation) -> &str {
    operation.template.as_str()
}

/// The `operation` label of requests that found an API and no operation of it.
pub const UNMATCHED_OPERATION: &str = "";

impl ExpectedLoad {
    /// `fetch_results` and `skip_reasons`: how many labels the key-set fetches have.
    pub fn of(model: &Model, fetch_results: usize, skip_reasons: usize) -> Self {
        Self {
            apis: model.apis.len(),
            operation_methods: model.apis.iter().map(operation_methods).sum(),
            listeners: model.listeners.len(),
            // organizations that become live are counted as if they were listed
            key_managers: model.key_managers.len()
                + unlisted(model).map(|rule| rule.most).sum::<usize>(),
            templates: unlisted(model).count(),
            judges: model.key_managers.len() + unlisted(model).count(),
            applications: applications(model),
            policies: model.throttling.policies.iter().count() + hard_limits(model),
            servers: servers(model),
            certificates: certificates::files(model).len(),
            fetch_results,
            skip_reasons,
        }
    }

    fn label_sets(&self, scale: Scale) -> usize {
        match scale {
            Scale::Fixed(label_sets) => label_sets,
            Scale::Exchanges => {
                let unmatched = (self.apis + 1) * METHODS.len();
                (self.operation_methods + unmatched) * (STATUS_CELLS + Reason::COUNT - 1)
            }
            Scale::Apis => self.apis + 1,
            Scale::Observed => (self.apis + 1) * Reason::OBSERVABLE.len(),
            Scale::Applications => self.applications * Reason::COUNT,
            Scale::Listeners(each) => self.listeners * each,
            Scale::Servers => self.servers + self.key_managers,
            Scale::Certificates => self.certificates,
            Scale::KeyManagers => self.key_managers,
            Scale::Fetches => self.key_managers * self.fetch_results,
            Scale::Questions | Scale::KeyStates => self.key_managers * 3,
            Scale::Waits => self.key_managers * 6,
            Scale::Judges(each) => self.judges * each,
            Scale::Skips => self.key_managers * self.skip_reasons,
            Scale::Organizations(each) => self.templates * each,
            Scale::Policies(each) => self.policies * each,
            Scale::Families => families::ALL.iter().filter(|family| family.capped()).count(),
        }
    }
}

/// Returns one series for each application, and one for those beyond the cap.
fn applications(model: &Model) -> usize {
    let counted = model.telemetry.application_label;
    if counted { model.directory.application_count().saturating_add(1) } else { 0 }
}

fn servers(model: &Model) -> usize {
    let backends = model.apis.iter().flat_map(|api| [&api.production, &api.sandbox]).flatten();
    let targets = backends.flat_map(|backend| backend.targets.iter().chain(&backend.failover));
    let secure = targets.filter(|target| target.scheme == BackendScheme::Https);
    let secure: HashSet<_> = secure.map(Target::authority).collect();
    secure.len()
}

fn hard_limits(model: &Model) -> usize {
    let backends = model.apis.iter().flat_map(|api| [&api.production, &api.sandbox]).flatten();
    backends.filter(|backend| backend.hard_limit.is_some()).count()
}

fn unlisted(model: &Model) -> impl Iterator<Item = &OrganizationRule> {
    model.templates.iter().filter_map(|template| template.unlisted.as_ref())
}

/// The worst case of every family, in the order of a scrape.
pub fn worst_case_series(expected: &ExpectedLoad, max_series: usize) -> Vec<FamilySeries> {
    families::ALL.iter().map(|family| worst_case(family, expected, max_series)).collect()
}

fn worst_case(
    family: &FamilyDefinition,
    expected: &ExpectedLoad,
    max_series: usize,
) -> FamilySeries {
    let all = expected.label_sets(family.scale);
    let kept = if family.capped() { all.min(label_sets(family.kind, max_series)) } else { all };
    let each = series_each(family.kind);
    FamilySeries { family: family.name, worst_case: all * each, capped: kept * each }
}

fn operation_methods(api: &Api) -> usize {
    let mut methods: HashMap<&str, HashSet<usize>> = HashMap::new();
    for operation in &api.operations {
        let seen = methods.entry(operation_label(operation)).or_default();
        match &operation.method {
            OperationMethod::Any => seen.extend(0..METHODS.len()),
            // HEAD may be answered by the operation of GET
            OperationMethod::Exact(method) if *method == http::Method::GET => {
                seen.extend([method_class(method), method_class(&http::Method::HEAD)]);
            }
            OperationMethod::Exact(method) => seen.extend([method_class(method)]),
        }
    }
    methods.values().map(HashSet::len).sum()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::model::api::{
        AuthScheme, AuthorizationForwarding, Lifecycle, QueryTokenRule, SubscriptionRule,
    };
    use crate::model::identity::Identities;
    use crate::model::names::{ApiName, Version};
    use crate::model::provenance::Provenance;
    use crate::model::template::Template;

    fn api(operations: &[(OperationMethod, &str)]) -> Api {
        let operation = |(method, path): &(OperationMethod, &str)| Operation {
            method: method.clone(),
            template: Template::try_from(*path).unwrap(),
            auth: AuthScheme::Required,
            scopes: Vec::new(),
            policy: crate::model::policy::PolicyIndex::UNLIMITED,
            observe: false,
            place: Provenance::default(),
        };
        Api {
            identity: Identities::default().api("a:1"),
            name: ApiName::try_from("a").unwrap(),
            version: Version::try_from("1").unwrap(),
            context: "/a".to_owned(),
            base_path: "/a/1".to_owned(),
            default_base_path: None,
            hosts: Vec::new(),
            key_managers: Vec::new(),
            audiences: Vec::new(),
            subscription: SubscriptionRule::Required,
            binding: crate::model::api::BindingRule::NotRequired,
            refusals: crate::model::api::RefusalMode::Enforced,
            dpop_nonce: false,
            backend_jwt: false,
            authorization_header: "authorization".to_owned(),
            query_token: QueryTokenRule::Never,
            authorization: AuthorizationForwarding::Remove,
            lifecycle: Lifecycle::Published,
            paths: crate::model::api::PathRules::default(),
            max_body_bytes: None,
            body_stall: crate::model::api::BodyStall::Limits,
            concurrency: None,
            policies: crate::model::api::ApiPolicies::default(),
            close_on_token_expiry: true,
            cors: None,
            request_headers: crate::model::api::HeaderRules::default(),
            response_headers: crate::model::api::HeaderRules::default(),
            production: None,
            sandbox: None,
            operations: operations.iter().map(operation).collect(),
            place: Provenance::default(),
        }
    }

    #[test]
    fn operations_of_one_template_share_their_label() {
        let exact = OperationMethod::Exact;
        let several = [
            (exact(Method::PUT), "/x"),
            (exact(Method::DELETE), "/x"),
            (exact(Method::GET), "/x"),
            (exact(Method::POST), "/y"),
        ];
        assert_eq!(operation_methods(&api(&several)), 4 + 1, "GET counts for HEAD too");
        let any = [(OperationMethod::Any, "/x"), (exact(Method::GET), "/x")];
        assert_eq!(operation_methods(&api(&any)), METHODS.len());
        let invented = [
            (exact(Method::from_bytes(b"A").unwrap()), "/x"),
            (exact(Method::from_bytes(b"B").unwrap()), "/x"),
        ];
        assert_eq!(operation_methods(&api(&invented)), 1);
    }
}
