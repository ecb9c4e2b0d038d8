//! WSO2's form of an API.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// An API as callers send it. A field that is `null` counts as missing. The fields of type
/// [`Value`] have no function here; [`fields`](super::fields) decides which of them are kept.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ApiBody {
    #[serde(skip_serializing)]
    pub(super) name: Option<String>,
    #[serde(skip_serializing)]
    pub(super) version: Option<String>,
    #[serde(skip_serializing)]
    pub(super) context: Option<String>,
    #[serde(skip_serializing)]
    pub(super) provider: Option<String>,
    #[serde(skip_serializing)]
    pub(super) life_cycle_status: Option<String>,
    #[serde(skip_serializing)]
    pub(super) is_default_version: Option<bool>,
    #[serde(skip_serializing)]
    pub(super) audiences: Option<Vec<String>>,
    #[serde(skip_serializing)]
    pub(super) policies: Option<Vec<String>>,
    #[serde(skip_serializing)]
    pub(super) api_throttling_policy: Option<String>,
    #[serde(skip_serializing)]
    pub(super) authorization_header: Option<String>,
    #[serde(skip_serializing)]
    pub(super) max_tps: Option<MaxTpsBody>,
    #[serde(skip_serializing)]
    pub(super) cors_configuration: Option<CorsBody>,
    #[serde(skip_serializing)]
    pub(super) key_managers: Option<Vec<String>>,
    #[serde(skip_serializing)]
    pub(super) endpoint_config: Option<EndpointConfigBody>,
    #[serde(skip_serializing)]
    pub(super) scopes: Option<Vec<ApiScopeBody>>,
    #[serde(skip_serializing)]
    pub(super) operations: Option<Vec<ApiOperationBody>>,
    id: Option<Value>,
    display_name: Option<Value>,
    description: Option<Value>,
    wsdl_info: Option<Value>,
    wsdl_url: Option<Value>,
    response_caching_enabled: Option<Value>,
    cache_timeout: Option<Value>,
    has_thumbnail: Option<Value>,
    is_revision: Option<Value>,
    revisioned_api_id: Option<Value>,
    revision_id: Option<Value>,
    enable_schema_validation: Option<Value>,
    enable_subscriber_verification: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<Value>,
    audience: Option<Value>,
    transport: Option<Value>,
    tags: Option<Value>,
    organization_policies: Option<Value>,
    api_key_header: Option<Value>,
    security_scheme: Option<Value>,
    visibility: Option<Value>,
    visible_roles: Option<Value>,
    visible_tenants: Option<Value>,
    visible_organizations: Option<Value>,
    mediation_policies: Option<Value>,
    api_policies: Option<Value>,
    api_hub_policies: Option<Value>,
    subscription_availability: Option<Value>,
    subscription_available_tenants: Option<Value>,
    additional_properties: Option<Value>,
    additional_properties_map: Option<Value>,
    monetization: Option<Value>,
    access_control: Option<Value>,
    access_control_roles: Option<Value>,
    business_information: Option<Value>,
    websub_subscription_configuration: Option<Value>,
    workflow_status: Option<Value>,
    created_time: Option<Value>,
    last_updated_timestamp: Option<Value>,
    last_updated_time: Option<Value>,
    primary_production_endpoint_id: Option<Value>,
    primary_sandbox_endpoint_id: Option<Value>,
    endpoint_implementation_type: Option<Value>,
    subtype_configuration: Option<Value>,
    threat_protection_policies: Option<Value>,
    categories: Option<Value>,
    service_info: Option<Value>,
    advertise_info: Option<Value>,
    gateway_vendor: Option<Value>,
    gateway_type: Option<Value>,
    initiated_from_gateway: Option<Value>,
    async_transport_protocols: Option<Value>,
    egress: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ApiOperationBody {
    pub(super) target: Option<String>,
    pub(super) verb: Option<String>,
    pub(super) auth_type: Option<String>,
    pub(super) throttling_policy: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
    #[serde(rename = "id")]
    _id: Option<String>,
    pub(super) used_product_ids: Option<Value>,
    pub(super) amzn_resource_name: Option<Value>,
    pub(super) amzn_resource_timeout: Option<Value>,
    pub(super) amzn_resource_content_encode: Option<Value>,
    pub(super) payload_schema: Option<Value>,
    pub(super) uri_mapping: Option<Value>,
    pub(super) operation_policies: Option<Value>,
    pub(super) operation_hub_policies: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ApiScopeBody {
    pub(super) scope: ScopeBody,
    pub(super) shared: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ScopeBody {
    pub(super) name: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) bindings: Option<Vec<String>>,
    #[serde(rename = "id")]
    _id: Option<String>,
    #[serde(rename = "usageCount")]
    _usage_count: Option<i64>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CorsBody {
    pub(super) cors_configuration_enabled: Option<bool>,
    pub(super) access_control_allow_origins: Option<Vec<String>>,
    pub(super) access_control_allow_credentials: Option<bool>,
    pub(super) access_control_allow_headers: Option<Vec<String>>,
    pub(super) access_control_allow_methods: Option<Vec<String>>,
}

/// The most that backends may be sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct MaxTpsBody {
    pub(super) production: Option<u32>,
    pub(super) production_time_unit: Option<String>,
    pub(super) sandbox: Option<u32>,
    pub(super) sandbox_time_unit: Option<String>,
    pub(super) token_based_throttling_configuration: Option<Value>,
}

/// Backends. WSO2's definition leaves the form open: this is the one of its examples.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EndpointConfigBody {
    pub(super) endpoint_type: Option<String>,
    /// One address, or several.
    pub(super) production_endpoints: Option<Value>,
    pub(super) sandbox_endpoints: Option<Value>,
    pub(super) production_failovers: Option<Value>,
    pub(super) sandbox_failovers: Option<Value>,
    #[serde(rename = "algoCombo")]
    pub(super) algo_combo: Option<String>,
    #[serde(rename = "algoClassName")]
    pub(super) algo_class_name: Option<String>,
    #[serde(rename = "sessionManagement")]
    pub(super) session_management: Option<String>,
    #[serde(rename = "sessionTimeOut")]
    pub(super) session_time_out: Option<Value>,
    #[serde(rename = "failOver")]
    pub(super) fail_over: Option<Value>,
    pub(super) endpoint_security: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiEndpointBody {
    pub(super) url: String,
    pub(super) endpoint_type: Option<String>,
    pub(super) template_not_supported: Option<bool>,
    pub(super) config: Option<Value>,
    pub(super) attributes: Option<Value>,
    pub(super) timeout: Option<Value>,
}

impl ApiEndpointBody {
    /// Returns the members besides the address.
    pub(super) fn plain(&self) -> Map<String, Value> {
        let members = [
            ("endpoint_type", self.endpoint_type.as_ref().map(|own| json!(own))),
            ("template_not_supported", self.template_not_supported.map(|own| json!(own))),
            ("config", self.config.clone()),
            ("attributes", self.attributes.clone()),
            ("timeout", self.timeout.clone()),
        ];
        let said = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        said.filter(|(_, value)| !value.is_null()).collect()
    }
}
