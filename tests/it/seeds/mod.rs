//! The journeys of WSO2's manual that the gateway was made for, each told whole: by the REST API, beside a real
//! authorization server, up to the call that the backend sees.

mod custom_key_manager_out_of_band;
mod manual_client_registration;
mod organization_applications;
mod provision_an_out_of_band_client;
mod wso2_is_7_key_manager;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::config::{Config, api};
use crate::support::credentials::basic;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::password::hash;

const ADMIN: &str = "/api/am/admin/v4";
const PORTAL: &str = "/api/am/devportal/v3";
const ORDERS: &str = "/orders/1.0.0/list";

/// A gateway with one API, an administrator "anna" and a developer "dev". Nothing else is in its file.
struct Journey {
    gateway: Gateway,
    production: Origin,
    sandbox: Origin,
}

impl Journey {
    async fn begin() -> Journey {
        Journey::with(|config| config).await
    }

    async fn with(change: impl FnOnce(Config) -> Config) -> Journey {
        let (production, sandbox, hash) = (Origin::start(), Origin::start(), hash());
        let user = |name: &str, role: &str| {
            format!("{{ name = \"{name}\", password_hash = \"{hash}\", roles = [\"{role}\"] }}")
        };
        let users = format!("users = [{}, {}]", user("anna", "admin"), user("dev", "developer"));
        let orders = api("orders:1.0.0")
            .to(&production.url())
            .sandbox(&format!("urls = [\"{}\"]", sandbox.url()))
            .operation("method = \"GET\", path = \"/list\"");
        let config = Config::new()
            .gateway("state_dir = \"state\"")
            .management(&users)
            .management("allowed_networks = [\"127.0.0.0/8\"]")
            .tables("[store]\nencryption_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"")
            .api(orders);
        let gateway = change(config).start().await;
        Journey { gateway, production, sandbox }
    }

    /// A call to the REST API by a user ("name", or "name:password"): the status, and the body.
    async fn call(&self, user: &str, line: &str, body: &Value) -> (u16, Value) {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let (name, password) = user.split_once(':').unwrap_or((user, "secret"));
        let mut request = Request::builder()
            .method(method)
            .uri(self.gateway.management_url(path))
            .header("authorization", basic(name, password));
        if !body.is_null() {
            request = request.header("content-type", "application/json");
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let answer = self.gateway.send(request.body(body).expect("a request")).await;
        let said = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        (answer.status().as_u16(), said)
    }

    /// A call that must succeed.
    async fn done(&self, user: &str, line: &str, body: Value) -> Value {
        let (status, said) = self.call(user, line, &body).await;
        assert!((200..300).contains(&status), "{line}: {status} {said}");
        said
    }

    /// The discovery document, as "Import" of the admin portal proposes it, with what the administrator adds.
    async fn key_manager(&self, kind: &str, well_known: &str, more: Value) -> Value {
        let form = format!(
            "--b\r\ncontent-disposition: form-data; name=\"url\"\r\n\r\n{well_known}\r\n--b\r\n\
             content-disposition: form-data; name=\"type\"\r\n\r\n{kind}\r\n--b--\r\n"
        );
        let request =
            Request::post(self.gateway.management_url(&format!("{ADMIN}/key-managers/discover")))
                .header("authorization", basic("anna", "secret"))
                .header("content-type", "multipart/form-data; boundary=b");
        let answer = self.gateway.send(request.body(Bytes::from(form)).expect("a request")).await;
        let said: Value = serde_json::from_slice(answer.body()).expect("JSON");
        assert_eq!(said["valid"], true, "{said}");
        let mut found = said["value"].clone();
        let merged = found.as_object_mut().expect("a key manager");
        merged.extend(more.as_object().expect("an object").clone());
        self.done("anna", &format!("POST {ADMIN}/key-managers"), found).await
    }

    /// An application of the developer: its id.
    async fn application(&self, name: &str) -> String {
        let body = json!({ "name": name, "throttlingPolicy": "Unlimited" });
        let made = self.done("dev", &format!("POST {PORTAL}/applications"), body).await;
        made["applicationId"].as_str().expect("an id").to_owned()
    }

    async fn subscribe(&self, application: &str) {
        let apis =
            self.done("dev", &format!("GET {PORTAL}/apis?query=name:orders"), Value::Null).await;
        let body = json!({
            "applicationId": application, "apiId": apis["list"][0]["id"], "throttlingPolicy": "Gold",
        });
        self.done("dev", &format!("POST {PORTAL}/subscriptions"), body).await;
    }
}
