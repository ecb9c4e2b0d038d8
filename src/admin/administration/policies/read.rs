//! Reads WSO2's forms of policies into tables of `[[throttling_policies]]`.

use serde_json::{Map, Value, json};

use crate::admin::administration::policies::body::{BurstLimit, PolicyBody};
use crate::admin::administration::policies::{conditions, custom, figures};
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::model::policy::PolicyLevel;

/// WSO2's limits.
const MOST_NAME: usize = 60;
const MOST_DISPLAY_NAME: usize = 512;
const MOST_DESCRIPTION: usize = 1024;

const MOST_ATTRIBUTES: usize = 100;

/// The role that every user has at WSO2.
const EVERYONE: &str = "Internal/everyone";

/// A policy as it will be kept.
#[derive(Debug)]
pub(super) struct PolicyDraft {
    pub(super) name: String,
    pub(super) declared: Map<String, Value>,
    pub(super) extra: Map<String, Value>,
}

/// The class of a policy in WSO2's `type`.
pub(super) fn class(level: PolicyLevel) -> &'static str {
    match level {
        PolicyLevel::Application => "ApplicationThrottlePolicy",
        PolicyLevel::Subscription => "SubscriptionThrottlePolicy",
        PolicyLevel::Advanced => "AdvancedThrottlePolicy",
        PolicyLevel::Custom => "CustomRule",
    }
}

pub(super) fn draft(level: PolicyLevel, body: &PolicyBody) -> Result<PolicyDraft, Refused> {
    let name = body.policy_name.as_deref().unwrap_or_default();
    texts::name("policyName", name, MOST_NAME)?;
    // it stands in a header and in metrics
    if !name.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ') {
        let description = "`policyName` is of letters, digits and signs of ASCII, without quotes";
        return Err(Refused::bad_request(description));
    }
    let prose = |field: &str, text: &Option<String>, most| {
        texts::prose(field, text.as_deref().unwrap_or_default(), most)
    };
    prose("displayName", &body.display_name, MOST_DISPLAY_NAME)?;
    prose("description", &body.description, MOST_DESCRIPTION)?;
    if body.kind.as_deref().is_some_and(|kind| !kind.is_empty() && kind != class(level)) {
        return Err(Refused::bad_request(format!("`type` is {}", class(level))));
    }
    refuse_fields_of_others(level, body)?;
    let mut declared = figures_of(level, body)?;
    declared.insert("name".to_owned(), json!(name));
    declared.insert("level".to_owned(), json!(level.as_str()));
    let mut extra = Map::new();
    for (key, text) in [("displayName", &body.display_name), ("description", &body.description)] {
        if let Some(text) = text {
            extra.insert(key.to_owned(), json!(text));
        }
    }
    sent(body, &mut extra);
    if level == PolicyLevel::Subscription {
        declared.insert(
            "stop_on_quota_reach".to_owned(),
            json!(body.stop_on_quota_reach.unwrap_or(false)),
        );
        subscription_extras(body, &mut extra)?;
    }
    Ok(PolicyDraft { name: name.to_owned(), declared, extra })
}

fn refuse_fields_of_others(level: PolicyLevel, body: &PolicyBody) -> Result<(), Refused> {
    use PolicyLevel::{Advanced, Application, Custom, Subscription};
    let with_limit: &[PolicyLevel] = &[Application, Subscription, Advanced];
    let fields: [(&str, bool, &[PolicyLevel]); 14] = [
        ("defaultLimit", body.default_limit.is_some(), with_limit),
        ("burstLimit", body.burst_limit.is_some(), &[Application]),
        ("rateLimitCount", body.rate_limit_count.is_some(), &[Subscription]),
        ("rateLimitTimeUnit", body.rate_limit_time_unit.is_some(), &[Subscription]),
        ("subscriberCount", body.subscriber_count.is_some(), &[Subscription]),
        ("customAttributes", body.custom_attributes.is_some(), &[Subscription]),
        ("stopOnQuotaReach", body.stop_on_quota_reach.is_some(), &[Subscription]),
        ("billingPlan", body.billing_plan.is_some(), &[Subscription]),
        ("monetization", body.monetization.is_some(), &[Subscription]),
        ("permissions", body.permissions.is_some(), &[Subscription]),
        ("conditionalGroups", body.conditional_groups.is_some(), &[Advanced]),
        ("siddhiQuery", body.siddhi_query.is_some(), &[Custom]),
        ("keyTemplate", body.key_template.is_some(), &[Custom]),
        (
            "graphQLMaxComplexity",
            body.graph_ql_max_complexity.or(body.graph_ql_max_depth).is_some(),
            &[Subscription],
        ),
    ];
    for (field, is_there, levels) in fields {
        if is_there && !levels.contains(&level) {
            let description = format!("{} has no field `{field}`", class(level));
            return Err(Refused::bad_request(description));
        }
    }
    Ok(())
}

fn figures_of(level: PolicyLevel, body: &PolicyBody) -> Result<Map<String, Value>, Refused> {
    let needed = |field: &str| Refused::bad_request(format!("`{field}` is missing"));
    if level == PolicyLevel::Custom {
        let query = body.siddhi_query.as_deref().ok_or_else(|| needed("siddhiQuery"))?;
        let template = body.key_template.as_deref().ok_or_else(|| needed("keyTemplate"))?;
        return custom::rule(query, template);
    }
    let limit = body.default_limit.as_ref().ok_or_else(|| needed("defaultLimit"))?;
    let mut declared = figures::limit("defaultLimit", limit)?;
    let burst = match (level, &body.burst_limit) {
        (PolicyLevel::Subscription, _) => figures::burst("", &burst_of_subscription(body))?,
        (_, Some(burst)) => figures::burst("burstLimit.", burst)?,
        (_, None) => None,
    };
    if let Some(burst) = burst {
        declared.insert("burst".to_owned(), burst);
    }
    let groups = body.conditional_groups.as_deref().unwrap_or_default();
    let groups = conditions::conditions(groups)?;
    if !groups.is_empty() {
        declared.insert("conditions".to_owned(), json!(groups));
    }
    Ok(declared)
}

/// Reads the burst. Subscription policies have its figures without a table of their own.
pub(super) fn burst_of_subscription(body: &PolicyBody) -> BurstLimit {
    BurstLimit {
        rate_limit_count: body.rate_limit_count,
        rate_limit_time_unit: body.rate_limit_time_unit.clone(),
    }
}

/// Keeps the figures as they were sent: units have several spellings, and groups a description.
fn sent(body: &PolicyBody, extra: &mut Map<String, Value>) {
    let figures = PolicyBody {
        default_limit: body.default_limit.clone(),
        burst_limit: body.burst_limit.clone(),
        rate_limit_count: body.rate_limit_count,
        rate_limit_time_unit: body.rate_limit_time_unit.clone(),
        conditional_groups: body.conditional_groups.clone(),
        siddhi_query: body.siddhi_query.clone(),
        key_template: body.key_template.clone(),
        ..PolicyBody::default()
    };
    extra.insert("sent".to_owned(), json!(figures));
}

/// Reads the figures as they were sent, to show them. `None` if they no longer match the declared
/// limit, because the policy was imported.
pub(super) fn as_sent(
    level: PolicyLevel,
    declared: &Map<String, Value>,
    extra: &Map<String, Value>,
) -> Option<PolicyBody> {
    let body: PolicyBody = serde_json::from_value(extra.get("sent")?.clone()).ok()?;
    let read = figures_of(level, &body).ok()?;
    let own = ["requests", "bandwidth", "events", "events_header", "per", "burst", "conditions"];
    let same = own.iter().chain(&["key", "users"]).all(|key| read.get(*key) == declared.get(*key));
    same.then_some(body)
}

fn subscription_extras(body: &PolicyBody, extra: &mut Map<String, Value>) -> Result<(), Refused> {
    let refused = |description: &str| Err(Refused::bad_request(description));
    if body.billing_plan.as_deref().is_some_and(|plan| !plan.is_empty() && plan != "FREE") {
        return refused("`billingPlan`: nothing is sold here; only FREE is possible");
    }
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(|own| match own {
            Value::Null => true,
            Value::Object(inner) => inner.is_empty(),
            Value::String(text) => text.is_empty() || text.eq_ignore_ascii_case("FIXEDRATE"),
            _ => false,
        }),
        _ => false,
    };
    if !body.monetization.as_ref().is_none_or(is_empty) {
        return refused("`monetization`: nothing is sold here");
    }
    if body.subscriber_count.is_some_and(|count| count > 0) {
        return refused("`subscriberCount`: subscribers are not counted; only 0 is possible");
    }
    for (field, number) in [
        ("graphQLMaxComplexity", body.graph_ql_max_complexity),
        ("graphQLMaxDepth", body.graph_ql_max_depth),
    ] {
        if number.is_some_and(|number| number > 0) {
            return refused(&format!("`{field}`: GraphQL is not read here; only 0 is possible"));
        }
    }
    if let Some(permissions) = &body.permissions {
        let everyone = permissions.roles.iter().any(|role| role == EVERYONE);
        let for_all = match permissions.permission_type.as_str() {
            "ALLOW" => everyone || permissions.roles.is_empty(),
            "DENY" => permissions.roles.is_empty(),
            _ => return refused("`permissions.permissionType` is ALLOW or DENY"),
        };
        if !for_all {
            return refused("`permissions`: a policy is for everybody; only Internal/everyone");
        }
        extra.insert("permissions".to_owned(), json!(permissions));
    }
    let attributes = body.custom_attributes.as_deref().unwrap_or_default();
    if attributes.len() > MOST_ATTRIBUTES {
        return refused("`customAttributes` has too many entries");
    }
    for attribute in attributes {
        texts::name("customAttributes.name", &attribute.name, MOST_NAME)?;
        texts::prose("customAttributes.value", &attribute.value, MOST_DESCRIPTION)?;
    }
    if !attributes.is_empty() {
        extra.insert("customAttributes".to_owned(), json!(attributes));
    }
    Ok(())
}
