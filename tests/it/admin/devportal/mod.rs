//! The developer portal's API on a running gateway.

mod applications;
mod archives;
mod bad_input;
mod catalog;
mod dry_runs;
mod files;
mod keys;
mod last_uses;
mod odd_requests;
mod resets;
mod statistics;
mod subscriptions;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::support::bank::Bank;
use crate::support::config::Config;
use crate::support::gateway::Gateway;
use crate::support::password::hash;

pub(in crate::admin) const PORTAL: &str = "/api/am/devportal/v3";
pub(in crate::admin) const ADMINISTRATION: &str = "/api/am/admin/v4";

/// The bank with a management API: "admin" is an administrator; "ann" and "bob" are developers of one team, "eve" is of
/// none, "vic" only looks, and "pat" publishes. Servers of tests are on loopback.
pub(in crate::admin) struct Portal {
    pub(in crate::admin) bank: Bank,
}

#[derive(Debug)]
pub(in crate::admin) struct Answered {
    pub(in crate::admin) status: u16,
    pub(in crate::admin) headers: HeaderMap,
    pub(in crate::admin) body: Value,
}

impl Portal {
    pub(in crate::admin) async fn open() -> Portal {
        Portal::of(|config| config).await
    }

    /// With a changed `gateway.toml`.
    pub(in crate::admin) async fn of(further: impl FnOnce(Config) -> Config) -> Portal {
        let hash = hash();
        let user = |name: &str, role: &str, groups: &str| {
            format!(
                "{{ name = \"{name}\", password_hash = \"{hash}\", roles = [\"{role}\"], groups = [{groups}] }}"
            )
        };
        let users = [
            user("admin", "admin", ""),
            user("ann", "developer", "\"team\""),
            user("bob", "developer", "\"team\""),
            user("eve", "developer", ""),
            user("vic", "viewer", ""),
            user("pat", "publisher", ""),
        ];
        let users = format!("users = [{}]", users.join(", "));
        let key_manager = |config: Config, name: &str, lines: &str| {
            let source = format!(
                "issuer = \"https://{name}.example\"\ncertificates = {{ jwks_file = \"keys.json\" }}"
            );
            config.key_manager(name, &format!("{source}\n{lines}"))
        };
        let sealed = "out_of_band_provisioning = false";
        let permitted = "permissions = { type = \"allow\", roles = [\"operator\"] }";
        let change = |config: Config| {
            let loopback = "allowed_networks = [\"127.0.0.0/8\"]";
            let config = config.management(&users).management(loopback);
            let config = key_manager(config, "sealed-is", sealed);
            further(key_manager(config, "operators-is", permitted))
        };
        Portal { bank: Bank::of(change).await }
    }

    /// A call by a user, with more headers.
    pub(in crate::admin) async fn send(
        &self,
        user: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answered {
        call(&self.bank.gateway, user, method, path, headers, body).await
    }

    pub(in crate::admin) async fn get(&self, user: &str, path: &str) -> Answered {
        self.send(user, "GET", &format!("{PORTAL}{path}"), &[], None).await
    }

    pub(in crate::admin) async fn post(&self, user: &str, path: &str, body: &Value) -> Answered {
        self.send(user, "POST", &format!("{PORTAL}{path}"), &[], Some(body)).await
    }

    pub(in crate::admin) async fn put(&self, user: &str, path: &str, body: &Value) -> Answered {
        self.send(user, "PUT", &format!("{PORTAL}{path}"), &[], Some(body)).await
    }

    pub(in crate::admin) async fn delete(&self, user: &str, path: &str) -> Answered {
        self.send(user, "DELETE", &format!("{PORTAL}{path}"), &[], None).await
    }

    /// Creates an application and returns its id.
    pub(in crate::admin) async fn application(&self, user: &str, name: &str) -> String {
        let body = json!({ "name": name, "throttlingPolicy": "Unlimited" });
        let created = self.post(user, "/applications", &body).await;
        assert_eq!(created.status, 201, "{created:?}");
        text(&created.body["applicationId"])
    }

    /// Maps a client to an application, at the bank's key manager.
    pub(in crate::admin) async fn map(
        &self,
        user: &str,
        application: &str,
        client: &str,
    ) -> Answered {
        let body =
            json!({ "consumerKey": client, "keyType": "PRODUCTION", "keyManager": "bank-is" });
        self.post(user, &format!("/applications/{application}/map-keys"), &body).await
    }

    /// The id of an API of the bank.
    pub(in crate::admin) async fn api(&self, name: &str) -> String {
        let found = self.get("ann", &format!("/apis?query=name:{name}")).await;
        assert_eq!(found.body["count"], 1, "{found:?}");
        text(&found.body["list"][0]["id"])
    }
}

/// A call of a gateway by a user, with more headers.
pub(in crate::admin) async fn call(
    gateway: &Gateway,
    user: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answered {
    let answer = gateway.management_as(user, (method, path), headers, body).await;
    Answered {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: serde_json::from_slice(answer.body()).unwrap_or(Value::Null),
    }
}

pub(in crate::admin) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

impl Answered {
    /// The status and WSO2's code, of a refusal.
    pub(in crate::admin) fn code(&self) -> (u16, u64) {
        (self.status, self.body["code"].as_u64().unwrap_or_default())
    }

    pub(in crate::admin) fn description(&self) -> &str {
        self.body["description"].as_str().unwrap_or_default()
    }

    /// The names in a list.
    pub(in crate::admin) fn names(&self) -> Vec<&str> {
        let list = self.body["list"].as_array().unwrap_or_else(|| panic!("no list: {self:?}"));
        list.iter().map(|one| one["name"].as_str().unwrap_or_default()).collect()
    }

    pub(in crate::admin) fn tag(&self) -> &str {
        self.headers["etag"].to_str().unwrap()
    }
}
