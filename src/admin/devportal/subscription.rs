//! A subscription in WSO2's form, and as it is kept.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::devportal::api::ShownApi;
use crate::admin::devportal::application::ApplicationInfo;
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::model::policy::UNLIMITED;
use crate::store::{Kind, Record};

/// A subscription as a caller writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SubscriptionBody {
    pub(super) application_id: String,
    pub(super) api_id: Option<String>,
    throttling_policy: String,
    requested_throttling_policy: Option<String>,
    pub(super) status: Option<String>,
    #[serde(rename = "subscriptionId", default)]
    _subscription_id: IgnoredAny,
    #[serde(rename = "apiInfo", default)]
    _api_info: IgnoredAny,
    #[serde(rename = "applicationInfo", default)]
    _application_info: IgnoredAny,
    #[serde(rename = "redirectionParams", default)]
    _redirection_params: IgnoredAny,
}

/// A subscription in an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownSubscription {
    subscription_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_info: Option<ShownApi>,
    application_info: ApplicationInfo,
    throttling_policy: String,
    requested_throttling_policy: String,
    status: String,
}

impl SubscriptionBody {
    /// Refuses a new subscription in another state than the one that it gets.
    pub(super) fn is_open(&self) -> Result<(), Refused> {
        match self.status.as_deref() {
            None | Some("" | "UNBLOCKED") => Ok(()),
            Some(_) => Err(Refused::bad_request(
                "`status` of a new subscription is UNBLOCKED; publishers change it",
            )),
        }
    }

    /// The policy of a new subscription.
    pub(super) fn policy(&self) -> Result<&str, Refused> {
        texts::name("throttlingPolicy", &self.throttling_policy, 100)?;
        Ok(&self.throttling_policy)
    }

    /// Returns the policy that a change asks for: WSO2's clients send the present one beside it.
    pub(super) fn requested_policy(&self) -> Result<&str, Refused> {
        match self.requested_throttling_policy.as_deref().filter(|policy| !policy.is_empty()) {
            Some(policy) => {
                texts::name("requestedThrottlingPolicy", policy, 100)?;
                Ok(policy)
            }
            None => self.policy(),
        }
    }
}

/// Makes the record of a subscription that is open.
pub(in crate::admin) fn record(application: Uuid, api: &str, policy: &str) -> Record {
    let name = Record::subscription_name(application, api);
    let mut record = Record::new(Kind::Subscription, Uuid::new_v4(), name);
    record.parent = Some(application);
    record.target = Some(api.to_owned());
    record.declared = Map::from_iter([
        ("api".to_owned(), json!(api)),
        ("policy".to_owned(), json!(policy)),
        ("status".to_owned(), json!("unblocked")),
    ]);
    record
}

/// Returns the state of a subscription, in WSO2's terms.
pub(in crate::admin) fn status(record: &Record) -> String {
    record.text("status").unwrap_or("unblocked").to_uppercase()
}

pub(in crate::admin) fn policy(record: &Record) -> &str {
    record.text("policy").unwrap_or(UNLIMITED)
}

/// Tells whether a publisher has blocked it.
pub(super) fn is_blocked(record: &Record) -> bool {
    matches!(record.text("status"), Some("blocked" | "prod_only_blocked"))
}

impl ShownSubscription {
    pub(super) fn of(
        subscription: &Object,
        application: ApplicationInfo,
        api: Option<&Object>,
    ) -> Self {
        let record = &subscription.record;
        let policy = policy(record).to_owned();
        Self {
            subscription_id: record.id,
            application_id: record.parent,
            api_id: api.map(|api| api.record.id),
            api_info: api.map(ShownApi::of),
            application_info: application,
            requested_throttling_policy: policy.clone(),
            throttling_policy: policy,
            status: status(record),
        }
    }
}

/// Returns WSO2's additional information, without its brokers.
pub(super) fn additional_info(subscription: &Object, application: &Object, api: &Object) -> Value {
    json!({
        "subscriptionId": subscription.record.id,
        "applicationId": application.record.id,
        "applicationName": application.record.name,
        "apiId": api.record.id,
        "isSolaceAPI": false,
        "solaceDeployedEnvironments": [],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_kept_in_the_form_of_the_file() {
        let application = Uuid::from_u128(7);
        let mut own = record(application, "Accounts:1.0", "Gold");
        assert_eq!(
            Value::Object(own.declared.clone()),
            json!({ "api": "Accounts:1.0", "policy": "Gold", "status": "unblocked" })
        );
        assert_eq!((status(&own).as_str(), is_blocked(&own)), ("UNBLOCKED", false));
        own.declared.insert("status".to_owned(), json!("prod_only_blocked"));
        assert_eq!((status(&own).as_str(), is_blocked(&own)), ("PROD_ONLY_BLOCKED", true));
    }

    #[test]
    fn the_requested_policy_wins() {
        let body = |fields: Value| -> SubscriptionBody { serde_json::from_value(fields).unwrap() };
        let plain = body(json!({ "applicationId": "a", "throttlingPolicy": "Gold" }));
        assert_eq!(plain.requested_policy().unwrap(), "Gold");
        let both = body(json!({ "applicationId": "a", "throttlingPolicy": "Gold",
                                "requestedThrottlingPolicy": "Silver" }));
        assert_eq!(both.requested_policy().unwrap(), "Silver");
        let odd = body(json!({ "applicationId": "a", "throttlingPolicy": "x".repeat(10_000) }));
        assert!(odd.policy().unwrap_err().description.starts_with("`throttlingPolicy`"));
    }
}
