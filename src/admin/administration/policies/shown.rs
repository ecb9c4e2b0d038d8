//! Shows policies in WSO2's forms, whether built in, declared in a file or kept in the store.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::administration::policies::body::PolicyBody;
use crate::admin::administration::policies::read::{as_sent, class};
use crate::admin::administration::policies::{conditions, custom, figures};
use crate::admin::nulls::without_nulls;
use crate::admin::object::Object;
use crate::model::identity::{ObjectId, ObjectKind};
use crate::model::policy::{Policy, PolicyLevel, QuotaUnit, Window, built_in};
use crate::store::{Kind, Record};

/// The provenance of a built-in policy.
pub(super) const BUILT_IN: &str = "the gateway itself";

/// Returns the level and the plain name of a policy.
pub(super) fn level_and_name(record: &Record) -> Option<(PolicyLevel, &str)> {
    let (level, name) = record.name.split_once(':')?;
    let level = PolicyLevel::ALL.into_iter().find(|own| own.as_str() == level)?;
    Some((level, name))
}

pub(super) fn policy(object: &Object) -> Value {
    let record = &object.record;
    let Some((level, name)) = level_and_name(record) else { return Value::Null };
    let (declared, extra) = (&record.declared, &record.extra);
    let text = |key: &str| extra.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut body = as_sent(level, declared, extra).unwrap_or_else(|| derived(level, declared));
    body.policy_id = Some(record.id.to_string());
    body.policy_name = Some(name.to_owned());
    body.display_name = Some(text("displayName").unwrap_or_else(|| name.to_owned()));
    body.description = Some(text("description").unwrap_or_default());
    body.is_deployed = Some(true);
    body.kind = Some(class(level).to_owned());
    if level == PolicyLevel::Subscription {
        let stops = declared.get("stop_on_quota_reach").and_then(Value::as_bool);
        body.stop_on_quota_reach = Some(stops.unwrap_or(true));
        body.billing_plan = Some("FREE".to_owned());
        body.subscriber_count = Some(0);
        body.custom_attributes = Some(part(extra, "customAttributes").unwrap_or_default());
        body.permissions = part(extra, "permissions");
    }
    without_nulls(json!(body))
}

fn part<T: for<'de> Deserialize<'de>>(extra: &Map<String, Value>, key: &str) -> Option<T> {
    serde_json::from_value(extra.get(key)?.clone()).ok()
}

/// Makes WSO2's form of figures of `gateway.toml`.
fn derived(level: PolicyLevel, declared: &Map<String, Value>) -> PolicyBody {
    let mut body = PolicyBody::default();
    if level == PolicyLevel::Custom {
        let (query, template) = custom::shown(declared);
        body.siddhi_query = Some(query);
        body.key_template = Some(template);
        return body;
    }
    body.default_limit = figures::shown_limit(declared);
    let burst = figures::shown_burst(declared);
    match level {
        PolicyLevel::Subscription => {
            body.rate_limit_count =
                Some(burst.as_ref().and_then(|burst| burst.rate_limit_count).unwrap_or_default());
            body.rate_limit_time_unit = burst.and_then(|burst| burst.rate_limit_time_unit);
        }
        PolicyLevel::Application => body.burst_limit = burst,
        _ => body.conditional_groups = Some(conditions::shown(declared)),
    }
    body
}

/// The policies that exist without being written.
pub(super) fn built_in_policies() -> impl Iterator<Item = Object> {
    built_in().map(|policy| Object::declared(record(&policy), BUILT_IN.to_owned()))
}

/// Returns the id of a policy of this name that was given none.
pub(super) fn derived_id(name: &str) -> Uuid {
    let id = ObjectId::declared(ObjectKind::ThrottlingPolicy, name);
    Uuid::try_parse(&id.to_string()).unwrap_or_default()
}

fn record(policy: &Policy) -> Record {
    let name = Record::policy_name(policy.level, &policy.name);
    let mut record = Record::new(Kind::ThrottlingPolicy, derived_id(&name), name);
    let declared = &mut record.declared;
    declared.insert("name".to_owned(), json!(policy.name));
    declared.insert("level".to_owned(), json!(policy.level.as_str()));
    for quota in &policy.limits.quotas {
        declared.insert(quota.unit.label().to_owned(), json!(quota.most));
        let per = match quota.window {
            Window::Day => "1d".to_owned(),
            Window::Month => "1month".to_owned(),
            Window::Sliding(length) if length.as_secs() % 60 == 0 => {
                format!("{}m", length.as_secs() / 60)
            }
            Window::Sliding(length) => format!("{}s", length.as_secs()),
        };
        declared.insert("per".to_owned(), json!(per));
        if quota.unit == QuotaUnit::Events
            && let Some(header) = &policy.events_header
        {
            declared.insert("events_header".to_owned(), json!(header.as_str()));
        }
    }
    record
}
