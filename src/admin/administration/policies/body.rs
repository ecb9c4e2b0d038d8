//! WSO2's forms of throttling policies.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fields of all four kinds. A kind refuses those of others.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct PolicyBody {
    pub(super) policy_id: Option<String>,
    pub(super) policy_name: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) is_deployed: Option<bool>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) default_limit: Option<ThrottleLimit>,
    pub(super) burst_limit: Option<BurstLimit>,
    pub(super) rate_limit_count: Option<u64>,
    pub(super) rate_limit_time_unit: Option<String>,
    pub(super) subscriber_count: Option<u64>,
    pub(super) custom_attributes: Option<Vec<CustomAttribute>>,
    pub(super) stop_on_quota_reach: Option<bool>,
    pub(super) billing_plan: Option<String>,
    pub(super) monetization: Option<Value>,
    pub(super) permissions: Option<PolicyPermissions>,
    #[serde(rename = "graphQLMaxComplexity")]
    pub(super) graph_ql_max_complexity: Option<u64>,
    #[serde(rename = "graphQLMaxDepth")]
    pub(super) graph_ql_max_depth: Option<u64>,
    pub(super) conditional_groups: Option<Vec<ConditionalGroup>>,
    pub(super) siddhi_query: Option<String>,
    pub(super) key_template: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ThrottleLimit {
    /// The type, such as `REQUESTCOUNTLIMIT`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_count: Option<LimitFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bandwidth: Option<LimitFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_count: Option<LimitFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ai_api_quota: Option<LimitFigures>,
}

/// The figures of all kinds of limits.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct LimitFigures {
    pub(super) time_unit: String,
    pub(super) unit_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_amount: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completion_token_count: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct BurstLimit {
    pub(super) rate_limit_count: Option<u64>,
    pub(super) rate_limit_time_unit: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomAttribute {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PolicyPermissions {
    /// `ALLOW` or `DENY`.
    pub(super) permission_type: String,
    pub(super) roles: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionalGroup {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) conditions: Vec<ThrottleCondition>,
    pub(super) limit: ThrottleLimit,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ThrottleCondition {
    /// The type, such as `IPCONDITION`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) invert_condition: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) header_condition: Option<HeaderCondition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ip_condition: Option<IpCondition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jwt_claims_condition: Option<ClaimsCondition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) query_parameter_condition: Option<QueryCondition>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HeaderCondition {
    pub(super) header_name: String,
    pub(super) header_value: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IpCondition {
    /// `IPSPECIFIC` or `IPRANGE`.
    #[serde(rename = "ipConditionType")]
    pub(super) kind: Option<String>,
    #[serde(rename = "specificIP", skip_serializing_if = "Option::is_none")]
    pub(super) specific: Option<String>,
    #[serde(rename = "startingIP", skip_serializing_if = "Option::is_none")]
    pub(super) starting: Option<String>,
    #[serde(rename = "endingIP", skip_serializing_if = "Option::is_none")]
    pub(super) ending: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClaimsCondition {
    pub(super) claim_url: String,
    pub(super) attribute: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct QueryCondition {
    pub(super) parameter_name: String,
    pub(super) parameter_value: String,
}
