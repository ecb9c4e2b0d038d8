//! OpenAPI definitions: imported, judged, shown and replaced.

use std::fmt::Write;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::super::devportal::{Answered, Portal, text};
use super::{PUBLISHER, pay};
use crate::support::credentials::basic;
use crate::support::origin::Origin;
use crate::support::script::Script;

const YAML: &str = "\
openapi: 3.0.1
info: {title: Pay, version: 1.0.0, description: Payments}
components: {securitySchemes: {default: {type: oauth2}}}
security: [{default: ['accounts:read']}]
paths:
  /orders/{id}: {get: {summary: Reads an order, responses: {200: {description: ok}}}}
  /status: {get: {x-auth-type: None}}
";

impl Portal {
    /// Sends a form with these fields.
    async fn form(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answered {
        let mut body = String::new();
        for (name, value) in fields {
            let file = if *name == "file" { "; filename=\"api\"" } else { "" };
            write!(
                body,
                "--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"
            )
            .unwrap();
        }
        body.push_str("--edge--\r\n");
        let request = Request::builder()
            .method(method)
            .uri(self.bank.gateway.management_url(&format!("{PUBLISHER}{path}")))
            .header("authorization", basic("pat", "secret"))
            .header("content-type", "multipart/form-data; boundary=edge")
            .body(Bytes::from(body));
        let answer = self.bank.gateway.send(request.unwrap()).await;
        Answered {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: serde_json::from_slice(answer.body()).unwrap_or(Value::Null),
        }
    }
}

fn properties(portal: &Portal) -> String {
    let mut body = pay(portal);
    body.as_object_mut().unwrap().remove("operations");
    body.to_string()
}

#[tokio::test]
async fn an_api_is_imported_shown_and_changed_by_its_definition() {
    let portal = Portal::open().await;
    portal.bank.production.always(Script::answer(200, &[], "ok"));
    let fields = [("file", YAML), ("additionalProperties", &properties(&portal))];
    let made = portal.form("POST", "/apis/import-openapi", &fields).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["description"], "Payments");
    assert_eq!(made.body["operations"][0]["scopes"], json!(["accounts:read"]));
    let id = text(&made.body["id"]);
    portal.transition(&id, "Publish").await;
    assert_eq!(portal.bank.gateway.get("/pay/1.0.0/status", None).await.status(), 200);
    let path = format!("/apis/{id}/swagger");
    let shown = portal.publisher("GET", &path, None).await;
    assert_eq!(shown.body["paths"]["/orders/{id}"]["get"]["summary"], "Reads an order");
    assert_eq!(shown.body["paths"]["/status"]["get"]["x-auth-type"], "None");
    // a change of the API is a change of the definition
    let mut body = portal.publisher("GET", &format!("/apis/{id}"), None).await.body;
    body["operations"][1]["target"] = json!("/health");
    assert_eq!(portal.publisher("PUT", &format!("/apis/{id}"), Some(&body)).await.status, 200);
    let mut shown = portal.publisher("GET", &path, None).await.body;
    assert!(shown["paths"].get("/status").is_none(), "{shown}");
    // and the other way around
    shown["paths"]["/more"] = json!({ "get": { "x-auth-type": "None" } });
    shown["paths"].as_object_mut().unwrap().remove("/health");
    let changed = portal.form("PUT", &path, &[("apiDefinition", &shown.to_string())]).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(portal.bank.gateway.get("/pay/1.0.0/more", None).await.status(), 200);
    assert_eq!(portal.bank.gateway.get("/pay/1.0.0/health", None).await.status(), 404);
    let read = portal.bank.token_of("good", "accounts:read");
    assert_eq!(portal.bank.gateway.status("/pay/1.0.0/orders/1", &read).await, 403, "as before");
    assert_eq!(portal.publisher("DELETE", &format!("/apis/{id}"), None).await.status, 200);
    let made = portal.form("POST", "/apis/import-openapi", &fields).await;
    assert_eq!(made.status, 201, "nothing is left of the first: {made:?}");
}

#[tokio::test]
async fn a_definition_is_fetched_where_that_is_permitted() {
    let portal = Portal::open().await;
    let server = Origin::start();
    server.always(Script::answer(200, &[("content-type", "application/yaml")], YAML));
    let fields = [("url", server.url()), ("additionalProperties", properties(&portal))];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let made = portal.form("POST", "/apis/import-openapi", &fields).await;
    assert_eq!(made.status, 201, "{made:?}");
    server.always(Script::answer(404, &[], "no"));
    let fields = [("url", server.url())].map(|(name, url)| (name, url));
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let gone = portal.form("POST", "/apis/validate-openapi", &fields).await;
    assert_eq!((gone.status, &gone.body["isValid"]), (200, &json!(false)), "{gone:?}");
    for url in
        ["http://169.254.169.254/latest", "http://10.0.0.1/a.json", "file:///etc/passwd", "x"]
    {
        let refused = portal.form("POST", "/apis/validate-openapi", &[("url", url)]).await;
        assert_eq!(refused.status, 400, "{url}: {refused:?}");
        assert!(refused.description().contains("`url`"), "{refused:?}");
    }
}

#[tokio::test]
async fn definitions_are_judged() {
    let portal = Portal::open().await;
    let good = [("inlineAPIDefinition", YAML)];
    let judged = portal.form("POST", "/apis/validate-openapi?returnContent=true", &good).await;
    assert_eq!((judged.status, &judged.body["isValid"]), (200, &json!(true)), "{judged:?}");
    assert_eq!(judged.body["info"]["name"], "Pay");
    assert_eq!(judged.body["info"]["operations"].as_array().unwrap().len(), 2);
    assert_eq!(judged.body["content"], YAML);
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for pair in ["ab", "bc", "cd", "de", "ef", "fg", "gh"] {
        let (one, two) = pair.split_at(1);
        let uses = vec![format!("*{one}"); 10].join(", ");
        writeln!(bomb, "{two}: &{two} [{uses}]").unwrap();
    }
    let deep = format!("{{\"openapi\": {}", "[".repeat(100_000));
    for odd in ["[]", "7", "hello", "{\"openapi\": \"3.0.0\"}", &bomb, &deep] {
        let judged = portal.form("POST", "/apis/validate-openapi", &[("file", odd)]).await;
        assert_eq!((judged.status, &judged.body["isValid"]), (200, &json!(false)), "{judged:?}");
        assert!(judged.body["errors"][0]["message"].is_string(), "{judged:?}");
        let fields = [("file", odd), ("additionalProperties", &properties(&portal))];
        let refused = portal.form("POST", "/apis/import-openapi", &fields).await;
        assert_eq!(refused.code(), (400, 900_500), "{refused:?}");
    }
    let cyclic = json!({ "openapi": "3.0.0", "info": { "title": "a", "version": "1" },
                         "paths": { "/a": { "$ref": "#/paths/~1a" } } });
    let judged =
        portal.form("POST", "/apis/validate-openapi", &[("file", &cyclic.to_string())]).await;
    assert_eq!(judged.body["isValid"], false);
    let long = "x".repeat(1024 * 1024);
    assert_eq!(portal.form("POST", "/apis/validate-openapi", &[("file", &long)]).await.status, 413);
    for (fields, part) in [
        (vec![], "is missing"),
        (vec![("file", YAML), ("url", "http://127.0.0.1/")], "only one of"),
        (vec![("file", YAML), ("file", YAML)], "twice"),
        (vec![("odd", YAML)], "`odd`"),
    ] {
        let refused = portal.form("POST", "/apis/validate-openapi", &fields).await;
        assert_eq!(refused.status, 400, "{fields:?}: {refused:?}");
        assert!(refused.description().contains(part), "{refused:?}");
    }
    let body = json!({});
    let refused = portal.publisher("POST", "/apis/validate-openapi", Some(&body)).await;
    assert_eq!(refused.status, 415);
    for (fields, part) in [
        (vec![("file", YAML)], "`additionalProperties`"),
        (vec![("file", YAML), ("additionalProperties", "{\"odd\": 1}")], "odd"),
        (vec![("file", YAML), ("additionalProperties", "x")], "`additionalProperties`"),
    ] {
        let refused = portal.form("POST", "/apis/import-openapi", &fields).await;
        assert_eq!(refused.status, 400, "{fields:?}: {refused:?}");
        assert!(refused.description().contains(part), "{refused:?}");
    }
}

#[tokio::test]
async fn a_name_or_a_context_is_asked_for() {
    let portal = Portal::open().await;
    for (query, status) in [
        ("name:accounts", 200),
        ("name:account", 404),
        ("context:/accounts", 200),
        ("name:accounts%20version:1.0.0", 200),
        ("name:accounts%20version:2.0.0", 404),
        ("", 400),
        ("odd:x", 400),
    ] {
        let answer = portal.publisher("POST", &format!("/apis/validate?query={query}"), None).await;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
    }
}
