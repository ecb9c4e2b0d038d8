//! Throttling policies that a developer can choose, and their view of `/throttling-policies`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::admin::caller::Caller;
use crate::admin::devportal::roles::permits;
use crate::admin::object::Object;
use crate::admin::paging::PageQuery;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::policy::{Policy, PolicyLevel, QuotaUnit, UNLIMITED, Window, built_in};
use crate::store::{Kind, Record, StoreError};

/// WSO2's figure for "no limit".
const NO_LIMIT: u64 = 2_147_483_647;

/// Policies that only the gateway itself chooses.
pub(super) const SUBSCRIPTIONLESS: &str = "DefaultSubscriptionless";
const UNAUTHENTICATED: &str = "Unauthenticated";

/// The levels whose policies developers and publishers choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum PolicyKind {
    Application,
    Subscription,
    /// The level of APIs and operations, which only publishers see.
    Advanced,
}

/// A policy in WSO2's form.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ShownPolicy {
    pub(in crate::admin) name: String,
    description: String,
    policy_level: &'static str,
    attributes: Map<String, Value>,
    request_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_unit: Option<&'static str>,
    unit_time: u64,
    time_unit: String,
    rate_limit_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit_time_unit: Option<String>,
    quota_policy_type: &'static str,
    tier_plan: &'static str,
    stop_on_quota_reach: bool,
    /// The roles that can choose it; not shown.
    #[serde(skip)]
    permissions: Option<Value>,
}

impl PolicyKind {
    fn named(text: &str) -> Option<Self> {
        [Self::Application, Self::Subscription].into_iter().find(|kind| kind.as_str() == text)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Subscription => "subscription",
            Self::Advanced => "advanced",
        }
    }

    /// Returns WSO2's name in an answer.
    fn word(self) -> &'static str {
        if self == Self::Advanced { "api" } else { self.as_str() }
    }

    fn level(self) -> PolicyLevel {
        match self {
            Self::Application => PolicyLevel::Application,
            Self::Subscription => PolicyLevel::Subscription,
            Self::Advanced => PolicyLevel::Advanced,
        }
    }
}

/// Tells whether a policy of this name exists.
pub(in crate::admin) async fn is_known(
    admin: &Admin,
    kind: PolicyKind,
    name: &str,
) -> Result<bool, StoreError> {
    if name == UNLIMITED || built_ins(kind).any(|policy| policy.name == name) {
        return Ok(true);
    }
    let full = Record::policy_name(kind.level(), name);
    Ok(admin.catalog.named(Kind::ThrottlingPolicy, &full).await?.is_some())
}

/// Returns the policies of a level that this caller can choose, by name.
pub(in crate::admin) async fn choices(
    admin: &Admin,
    caller: &Caller,
    kind: PolicyKind,
) -> Result<Vec<ShownPolicy>, StoreError> {
    let prefix = format!("{}:", kind.as_str());
    let objects = admin.catalog.all(Kind::ThrottlingPolicy).await?;
    let mut policies: Vec<ShownPolicy> = objects
        .iter()
        .filter_map(|object| Some((object.record.name.strip_prefix(&prefix)?, object)))
        .map(|(name, object)| ShownPolicy::of(kind, name, object))
        .collect();
    let written: Vec<String> = policies.iter().map(|policy| policy.name.clone()).collect();
    let others = built_ins(kind)
        .map(|policy| ShownPolicy::built_in(kind, &policy))
        .chain(std::iter::once(ShownPolicy::unlimited(kind)));
    policies.extend(others.filter(|policy| !written.contains(&policy.name)));
    policies.retain(|policy| {
        policy.name != SUBSCRIPTIONLESS
            && policy.name != UNAUTHENTICATED
            && permits(policy.permissions.as_ref(), &caller.roles)
    });
    policies.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(policies)
}

fn built_ins(kind: PolicyKind) -> impl Iterator<Item = Policy> {
    built_in().filter(move |policy| policy.level == kind.level())
}

impl ShownPolicy {
    fn unlimited(kind: PolicyKind) -> Self {
        Self {
            name: UNLIMITED.to_owned(),
            description: "Allows unlimited requests".to_owned(),
            policy_level: kind.word(),
            attributes: Map::new(),
            request_count: NO_LIMIT,
            data_unit: None,
            unit_time: 0,
            time_unit: "ms".to_owned(),
            rate_limit_count: 0,
            rate_limit_time_unit: None,
            quota_policy_type: "REQUESTCOUNT",
            tier_plan: "FREE",
            stop_on_quota_reach: true,
            permissions: None,
        }
    }

    fn built_in(kind: PolicyKind, policy: &Policy) -> Self {
        let quota = policy.limits.quotas.iter().find(|quota| quota.unit == QuotaUnit::Requests);
        let (unit_time, time_unit) = match quota.map(|quota| quota.window) {
            Some(Window::Sliding(length)) => {
                (u64::try_from(length.as_millis()).unwrap_or(u64::MAX), "min")
            }
            _ => (0, "ms"),
        };
        let request_count = quota.map_or(NO_LIMIT, |quota| quota.most.get());
        Self {
            name: policy.name.clone(),
            description: format!("Allows {request_count} requests per minute"),
            request_count,
            unit_time,
            time_unit: time_unit.to_owned(),
            ..Self::unlimited(kind)
        }
    }

    fn of(kind: PolicyKind, name: &str, object: &Object) -> Self {
        let record = &object.record;
        let number =
            |document: &Map<String, Value>, key: &str| document.get(key).and_then(Value::as_u64);
        let (unit_time, time_unit) = record.text("per").and_then(period).unwrap_or((0, "ms"));
        let requests = number(&record.declared, "requests");
        let bandwidth = record.text("bandwidth").and_then(bytes);
        let (request_count, data_unit) = match (requests, bandwidth) {
            (Some(requests), _) => (requests, None),
            (None, Some(kilobytes)) => (kilobytes, Some("KB")),
            (None, None) => (NO_LIMIT, None),
        };
        let burst = record.declared.get("burst").and_then(Value::as_object);
        let burst_unit = burst
            .and_then(|burst| burst.get("per"))
            .and_then(Value::as_str)
            .and_then(period)
            .map(|(_, unit)| unit.to_owned());
        let stop = record.declared.get("stop_on_quota_reach").and_then(Value::as_bool);
        let text = |key: &str| record.extra.get(key).and_then(Value::as_str);
        Self {
            name: name.to_owned(),
            description: text("description").unwrap_or_default().to_owned(),
            request_count,
            data_unit,
            unit_time,
            time_unit: time_unit.to_owned(),
            rate_limit_count: burst.and_then(|burst| number(burst, "requests")).unwrap_or(0),
            rate_limit_time_unit: burst_unit,
            quota_policy_type: if data_unit.is_some() { "BANDWIDTHVOLUME" } else { "REQUESTCOUNT" },
            stop_on_quota_reach: stop.unwrap_or(true),
            permissions: record.extra.get("permissions").cloned(),
            ..Self::unlimited(kind)
        }
    }
}

/// Reads a length of time: "90s" is 90,000 milliseconds, in WSO2's unit "sec".
fn period(text: &str) -> Option<(u64, &'static str)> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(digits)?;
    let (millis, name) = match unit {
        "ms" => (1, "ms"),
        "s" => (1_000, "sec"),
        "m" => (60_000, "min"),
        "h" => (3_600_000, "hour"),
        "d" => (86_400_000, "day"),
        // WSO2 counts 30 days
        "month" => (2_592_000_000, "month"),
        _ => return None,
    };
    Some((count.parse::<u64>().ok()?.checked_mul(millis)?, name))
}

/// Reads a size, in kilobytes.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(digits)?;
    let count = count.parse::<u64>().ok()?;
    match unit {
        "B" => Some(count.div_ceil(1024)),
        "KiB" => Some(count),
        "MiB" => count.checked_mul(1024),
        "GiB" => count.checked_mul(1024 * 1024),
        _ => None,
    }
}

fn level(text: &str) -> Result<PolicyKind, Refused> {
    PolicyKind::named(text).ok_or_else(|| {
        Refused::not_found("the levels of policies are application and subscription")
    })
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Path(policy_level): Path<String>,
    Parameters(page): Parameters<PageQuery>,
) -> Result<Response, Refused> {
    let kind = level(&policy_level)?;
    let range = page.range()?;
    let (page, total) = range.of(choices(&admin, &caller, kind).await?);
    Ok(range.respond(&uri.0, page, total))
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((policy_level, name)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let kind = level(&policy_level)?;
    let policies = choices(&admin, &caller, kind).await?;
    match policies.into_iter().find(|policy| policy.name == name) {
        Some(policy) => Ok(Json(policy).into_response()),
        None => Err(Refused::not_found(format!("there is no {policy_level} policy of this name"))),
    }
}

/// Refuses a subscription policy that cannot be chosen for this API.
pub(in crate::admin) async fn offered(
    admin: &Admin,
    caller: &Caller,
    api: &Object,
    name: &str,
) -> Result<(), Refused> {
    if name == SUBSCRIPTIONLESS {
        let description = format!("`throttlingPolicy` {SUBSCRIPTIONLESS} is chosen by the gateway");
        let message = "The Business plan is not allowed.";
        return Err(Refused::new(StatusCode::BAD_REQUEST, 902_019, message, description));
    }
    let offered = offers(admin, caller, api).await?;
    if offered.iter().any(|policy| policy.name == name) {
        return Ok(());
    }
    let names: Vec<_> = offered.iter().map(|policy| policy.name.as_str()).collect();
    let description = format!("the API offers you these policies: {}", names.join(", "));
    let message = "Subscription Tier is not allowed for user";
    Err(Refused::new(StatusCode::FORBIDDEN, 902_002, message, description))
}

/// Returns the policies that an API offers to this caller.
pub(in crate::admin) async fn offers(
    admin: &Admin,
    caller: &Caller,
    api: &Object,
) -> Result<Vec<ShownPolicy>, StoreError> {
    let mut policies = choices(admin, caller, PolicyKind::Subscription).await?;
    let named = offered_names(api);
    if !named.is_empty() {
        policies.retain(|policy| named.contains(&policy.name.as_str()));
    }
    Ok(policies)
}

/// Returns the policies that an API names. An API without any offers all.
pub(super) fn offered_names(api: &Object) -> Vec<&str> {
    let named = api.record.declared.get("policies").and_then(Value::as_array);
    named.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Describes a policy as a tier of an API.
pub(super) fn tier(policy: &ShownPolicy) -> Value {
    json!({ "tierName": policy.name, "tierPlan": policy.tier_plan })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Record;
    use uuid::Uuid;

    #[test]
    fn figures_are_shown_in_units_of_wso2() {
        assert_eq!(period("90s"), Some((90_000, "sec")));
        assert_eq!(period("1month"), Some((2_592_000_000, "month")));
        assert_eq!((period("x"), period("10"), period("1y")), (None, None, None));
        assert_eq!((bytes("1KiB"), bytes("2MiB"), bytes("1025B")), (Some(1), Some(2048), Some(2)));
        let name = "subscription:Large";
        let mut record = Record::new(Kind::ThrottlingPolicy, Uuid::nil(), name);
        let declared = json!({ "bandwidth": "1MiB", "per": "1h", "stop_on_quota_reach": false,
                               "burst": { "requests": 5, "per": "1s" } });
        record.declared = declared.as_object().unwrap().clone();
        let shown = ShownPolicy::of(PolicyKind::Subscription, "Large", &Object::kept(record));
        let shown = serde_json::to_value(shown).unwrap();
        let expected = [
            ("requestCount", json!(1024)),
            ("dataUnit", json!("KB")),
            ("unitTime", json!(3_600_000)),
            ("timeUnit", json!("hour")),
            ("rateLimitCount", json!(5)),
            ("rateLimitTimeUnit", json!("sec")),
            ("stopOnQuotaReach", json!(false)),
        ];
        for (key, value) in expected {
            assert_eq!(shown[key], value, "{key}");
        }
    }

    #[test]
    fn built_in_policies_are_shown() {
        let shown: Vec<_> = built_ins(PolicyKind::Application)
            .map(|policy| ShownPolicy::built_in(PolicyKind::Application, &policy))
            .map(|policy| (policy.name, policy.request_count, policy.unit_time))
            .collect();
        assert!(shown.contains(&("10PerMin".to_owned(), 10, 60_000)), "{shown:?}");
    }
}
