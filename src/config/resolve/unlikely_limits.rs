//! Throttling that is valid and probably not meant: warnings, never errors.

use std::collections::HashSet;

use crate::config::problems::{At, Problems};
use crate::config::reader::nearest;
use crate::model::api::Api;
use crate::model::directory::Directory;
use crate::model::names::ApplicationSlot;
use crate::model::policy::{
    AddressRange, Burst, Condition, DenyCondition, DenyTarget, Policy, PolicyIndex, PolicyLevel,
    PolicyLimits, Quota, QuotaUnit, Throttling, Window,
};
use crate::model::provenance::{Provenance, SourceFiles};

/// All objects that limits concern.
pub(super) struct LimitNouns<'m> {
    pub(super) throttling: &'m Throttling,
    pub(super) apis: &'m [Api],
    pub(super) directory: &'m Directory,
    pub(super) files: &'m SourceFiles,
}

impl LimitNouns<'_> {
    /// Gives no warnings if there are errors, because the objects in question are missing here.
    pub(super) fn warn(&self, problems: &Problems) {
        if problems.has_errors() {
            return;
        }
        let used = self.used();
        for (index, policy) in self.throttling.policies.iter() {
            let Some(place) = policy.place else { continue };
            if policy.level != PolicyLevel::Custom && !used.contains(&index) {
                let message = format!("nobody can reach throttling policy {:?}", policy.name);
                let hint =
                    format!("name it in `policy` where level {:?} can", policy.level.as_str());
                problems.warning(self.at(place), message, Some(hint));
            }
            for limits in policy.every_limits() {
                self.contradictions(policy, limits, place, problems);
            }
            self.conditions(policy, place, problems);
        }
        self.replaced(problems);
        self.throttling.deny.iter().for_each(|deny| self.deny(deny, problems));
        self.excluding(problems);
    }

    fn at(&self, place: Provenance) -> At {
        let path = self.files.path(place).map(ToOwned::to_owned).unwrap_or_default();
        At::Line { path, line: place.line }
    }

    fn used(&self) -> HashSet<PolicyIndex> {
        let of_apis = self.apis.iter().flat_map(|api| {
            let operations = api.operations.iter().map(|operation| operation.policy);
            operations.chain(api.policies.offered.iter().copied()).chain([api.policies.api])
        });
        let defaults = [self.throttling.unauthenticated, self.throttling.subscriptionless];
        of_apis.chain(self.directory.policies()).chain(defaults).collect()
    }

    fn contradictions(
        &self,
        policy: &Policy,
        limits: &PolicyLimits,
        place: Provenance,
        problems: &Problems,
    ) {
        let requests = || limits.quotas.iter().filter(|quota| quota.unit == QuotaUnit::Requests);
        if let Some(burst) = limits.burst
            && let Some(quota) = requests().find(|quota| burst.requests > quota.most)
        {
            let message = format!(
                "throttling policy {:?} has a burst of {} above its quota of {}",
                policy.name, burst.requests, quota.most
            );
            let hint = Some("the quota ends first: the burst limits nothing".to_owned());
            problems.warning(self.at(place), message, hint);
        }
        if let Some(burst) = limits.burst
            && let Some(quota) = requests().find(|quota| never_reached(quota, burst))
        {
            let message = format!(
                "throttling policy {:?}: its quota of {} {} is never reached, because its burst of \
                 {} lets fewer through in that time",
                policy.name,
                quota.most,
                window(quota.window),
                burst.requests
            );
            problems.warning(self.at(place), message, None);
        }
        for quota in &limits.quotas {
            let stricter = limits.quotas.iter().find(|other| {
                *other != quota
                    && other.unit == quota.unit
                    && other.most <= quota.most
                    && other.window.length() >= quota.window.length()
            });
            if let Some(stricter) = stricter {
                let message = format!(
                    "throttling policy {:?}: {} {} {} are never reached, because {} {} are the \
                     most",
                    policy.name,
                    quota.most,
                    quota.unit.label(),
                    window(quota.window),
                    stricter.most,
                    window(stricter.window),
                );
                problems.warning(self.at(place), message, None);
            }
        }
    }

    fn conditions(&self, policy: &Policy, place: Provenance, problems: &Problems) {
        for (position, condition) in policy.conditions.iter().enumerate() {
            let number = position + 1;
            if holds_for_nobody(condition) {
                let message = format!(
                    "condition {number} of throttling policy {:?} matches nothing: every address \
                     is excluded",
                    policy.name
                );
                problems.warning(self.at(place), message, None);
            }
            let same = |earlier: &&Condition| {
                earlier.ips == condition.ips
                    && earlier.headers == condition.headers
                    && earlier.query == condition.query
                    && earlier.claims == condition.claims
            };
            if policy.conditions.iter().take(position).any(|earlier| same(&earlier)) {
                let message = format!(
                    "condition {number} of throttling policy {:?} is never reached: an earlier one \
                     asks the same",
                    policy.name
                );
                problems.warning(self.at(place), message, None);
            }
        }
    }

    /// Warns of operations whose policy never counts, because their API has one.
    fn replaced(&self, problems: &Problems) {
        for api in self.apis.iter().filter(|api| api.policies.api != PolicyIndex::UNLIMITED) {
            let replaced =
                api.operations.iter().find(|operation| operation.policy != PolicyIndex::UNLIMITED);
            if let Some(operation) = replaced {
                let policies = &self.throttling.policies;
                let message = format!(
                    "policy {:?} of operation {} {} never counts: {:?} of API {} {} replaces it",
                    policies.name(operation.policy),
                    operation.method.as_str(),
                    operation.template,
                    policies.name(api.policies.api),
                    api.name,
                    api.version
                );
                problems.warning(self.at(operation.place), message, None);
            }
        }
    }

    fn deny(&self, deny: &DenyCondition, problems: &Problems) {
        let warn = |message: String, near: Option<&str>| {
            let hint = near.map(|near| format!("did you mean {near:?}?"));
            problems.warning(self.at(deny.place), message, hint);
        };
        match &deny.target {
            DenyTarget::Api(path) => {
                let served = || self.apis.iter().map(|api| api.base_path.as_str());
                if !served().any(|base| base == path) {
                    let message = format!("no API is served at {path:?}: nobody is denied");
                    warn(message, nearest(path, served()));
                }
            }
            DenyTarget::Application { owner, name } => {
                let known: Vec<String> = (0..self.directory.application_count())
                    .filter_map(|at| ApplicationSlot(u32::try_from(at).ok()?).into())
                    .filter_map(|index| self.directory.application(index))
                    .map(|application| format!("{}:{}", application.owner, application.name))
                    .collect();
                let wanted = format!("{owner}:{name}");
                if !known.contains(&wanted) {
                    let message = format!("there is no application {wanted:?}: nobody is denied");
                    warn(message, nearest(&wanted, known.iter().map(String::as_str)));
                }
            }
            DenyTarget::Addresses { range, inverted } if range.is_everything() => {
                let whom = if *inverted { "nobody" } else { "everybody" };
                warn(format!("the deny condition is about every address: {whom} is denied"), None);
            }
            DenyTarget::User(_) | DenyTarget::Addresses { .. } => {}
        }
    }

    /// Warns of two conditions that each deny all addresses but their own: together they deny every
    /// address.
    fn excluding(&self, problems: &Problems) {
        let mut inverted = self.throttling.deny.iter().filter(|deny| {
            deny.enabled && matches!(deny.target, DenyTarget::Addresses { inverted: true, .. })
        });
        if let Some(second) = inverted.nth(1) {
            let message = "several deny conditions are inverted: an address must be in all of them";
            problems.warning(self.at(second.place), message.to_owned(), None);
        }
    }
}

/// The burst alone lets less than the quota through: N(1 + L/W) in a time of L.
fn never_reached(quota: &Quota, burst: Burst) -> bool {
    let (length, per) = (quota.window.length().as_millis(), burst.per.as_millis().max(1));
    let most = u128::from(burst.requests.get()).saturating_mul(per.saturating_add(length));
    most < u128::from(quota.most.get()).saturating_mul(per)
}

/// Tells whether all addresses of both families are excluded.
fn holds_for_nobody(condition: &Condition) -> bool {
    let everything = |ipv4: bool| {
        condition
            .ips
            .wanted
            .iter()
            .any(|range: &AddressRange| range.is_everything() && range.is_ipv4() == ipv4)
    };
    condition.ips.inverted && everything(true) && everything(false)
}

fn window(window: Window) -> String {
    match window {
        Window::Sliding(length) => format!("per {}s", length.as_secs()),
        Window::Day => "per day".to_owned(),
        Window::Month => "per month".to_owned(),
    }
}
