//! WSO2's publisher API on a running gateway.

mod apis;
mod bad_input;
mod definitions;
mod denied_backends;
mod revisions;
mod subscriptions;

use serde_json::{Value, json};

use super::devportal::{Answered, Portal, text};

pub(super) const PUBLISHER: &str = "/api/am/publisher/v4";

/// An API in front of the bank's production backend, as scripts send it.
pub(super) fn pay(portal: &Portal) -> Value {
    json!({
        "name": "Pay",
        "context": "/pay",
        "version": "1.0.0",
        "policies": ["Gold", "Silver"],
        "endpointConfig": {
            "endpoint_type": "http",
            "production_endpoints": { "url": portal.bank.production.url() },
        },
        "operations": [
            { "target": "/orders/{id}", "verb": "GET", "scopes": ["accounts:read"] },
            { "target": "/status", "verb": "GET", "authType": "None" },
        ],
    })
}

impl Portal {
    /// A call of the publisher "pat".
    pub(super) async fn publisher(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answered {
        self.send("pat", method, &format!("{PUBLISHER}{path}"), &[], body).await
    }

    /// Makes an API and returns its id.
    pub(super) async fn create_api(&self, body: &Value) -> String {
        let created = self.publisher("POST", "/apis", Some(body)).await;
        assert_eq!(created.status, 201, "{created:?}");
        text(&created.body["id"])
    }

    /// Brings an API into another state.
    pub(super) async fn transition(&self, api: &str, action: &str) -> Answered {
        let action = action.replace(' ', "%20");
        let path = format!("/apis/change-lifecycle?apiId={api}&action={action}");
        self.publisher("POST", &path, None).await
    }

    /// An application of "ann" with the client "pay-client", which subscribes to an API.
    pub(super) async fn subscribed_application(&self, api: &str) -> String {
        let application = self.application("ann", "payer").await;
        assert_eq!(self.map("ann", &application, "pay-client").await.status, 200);
        let wanted =
            json!({ "applicationId": application, "apiId": api, "throttlingPolicy": "Gold" });
        let made = self.post("ann", "/subscriptions", &wanted).await;
        assert_eq!(made.status, 201, "{made:?}");
        text(&made.body["subscriptionId"])
    }
}
