//! The fields of an API that have no function here, with the defaults that an answer shows.

use serde_json::{Map, Value};

/// Each field with its value as JSON.
const DEFAULTS: &[(&str, &str)] = &[
    ("description", "null"),
    ("responseCachingEnabled", "false"),
    ("cacheTimeout", "300"),
    ("hasThumbnail", "false"),
    ("isRevision", "false"),
    ("revisionId", "0"),
    ("enableSchemaValidation", "false"),
    ("enableSubscriberVerification", "false"),
    ("type", r#""HTTP""#),
    ("audience", "null"),
    ("transport", r#"["http", "https"]"#),
    ("tags", "[]"),
    ("organizationPolicies", "[]"),
    ("apiKeyHeader", r#""ApiKey""#),
    ("securityScheme", r#"["oauth2"]"#),
    ("visibility", r#""PUBLIC""#),
    ("visibleRoles", "[]"),
    ("visibleTenants", "[]"),
    ("visibleOrganizations", "[]"),
    ("mediationPolicies", "[]"),
    ("apiPolicies", r#"{"request":[],"response":[],"fault":[]}"#),
    ("apiHubPolicies", "[]"),
    ("subscriptionAvailability", r#""CURRENT_TENANT""#),
    ("subscriptionAvailableTenants", "[]"),
    ("additionalProperties", "[]"),
    ("additionalPropertiesMap", "{}"),
    ("monetization", "null"),
    ("accessControl", r#""NONE""#),
    ("accessControlRoles", "[]"),
    ("businessInformation", "{}"),
    ("websubSubscriptionConfiguration", "null"),
    ("workflowStatus", r#""APPROVED""#),
    ("endpointImplementationType", r#""ENDPOINT""#),
    ("subtypeConfiguration", r#"{ "subtype": "DEFAULT" }"#),
    ("threatProtectionPolicies", "null"),
    ("categories", "[]"),
    ("serviceInfo", "null"),
    ("advertiseInfo", r#"{ "advertised": false }"#),
    ("gatewayVendor", r#""wso2""#),
    ("gatewayType", r#""wso2/synapse""#),
    ("initiatedFromGateway", "false"),
    ("asyncTransportProtocols", "[]"),
    ("egress", "false"),
];

pub(super) fn defaults() -> Map<String, Value> {
    let each = DEFAULTS.iter();
    each.filter_map(|(name, text)| Some(((*name).to_owned(), serde_json::from_str(text).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::publisher::body::ApiBody;
    use crate::admin::publisher::fields::kept;

    #[test]
    fn what_is_shown_can_be_sent() {
        let shown = defaults();
        assert_eq!(shown.len(), DEFAULTS.len());
        let body: ApiBody = serde_json::from_value(Value::Object(shown)).unwrap();
        kept(&body).unwrap();
    }
}
