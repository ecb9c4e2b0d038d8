//! Requests that no operation reads: who may call comes before what is written, and every answer has WSO2's form.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{ADMINISTRATION, PORTAL, Portal};

const SHOP: &str = r#"{"name": "shop", "throttlingPolicy": "Unlimited"}"#;

/// Sends a call of ann's, and returns its status and body.
async fn call(
    portal: &Portal,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let mut request = Request::builder()
        .method(method)
        .uri(portal.bank.gateway.management_url(path))
        .header("authorization", "Basic YW5uOnNlY3JldA==");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::from(body.to_owned())).unwrap();
    let answer = portal.bank.gateway.send(request).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or(Value::Null))
}

#[tokio::test]
async fn who_may_not_call_learns_nothing_of_the_form() {
    let portal = Portal::open().await;
    let id = "00000000-0000-4000-8000-000000000000";
    let none = json!({});
    for (user, method, path) in [
        ("pat", "POST", format!("{PORTAL}/applications")),
        ("vic", "PUT", format!("{PORTAL}/applications/{id}")),
        ("pat", "POST", format!("{PORTAL}/applications/{id}/map-keys")),
        ("vic", "POST", format!("{PORTAL}/applications/{id}/generate-keys")),
        ("pat", "POST", format!("{PORTAL}/subscriptions")),
        ("vic", "POST", format!("{PORTAL}/subscriptions/multiple")),
        ("ann", "POST", format!("{ADMINISTRATION}/throttling/deny-policies")),
        ("vic", "PATCH", format!("{ADMINISTRATION}/throttling/deny-policy/{id}")),
        ("ann", "POST", format!("/api/am/publisher/v4/apis/{id}/deploy-revision")),
        ("ann", "POST", "/api/portcullis/v1/move-keys".to_owned()),
    ] {
        let refused = portal.send(user, method, &path, &[], Some(&none)).await;
        assert_eq!(refused.code(), (403, 900_910), "{user} {method} {path}: {refused:?}");
    }
}

#[tokio::test]
async fn a_request_is_read_in_one_way_or_refused_in_one_form() {
    let portal = Portal::open().await;
    let applications = format!("{PORTAL}/applications");
    let twice = r#"{"name": "a", "name": "b", "throttlingPolicy": "Unlimited"}"#;
    let inner =
        r#"{"name": "a", "throttlingPolicy": "Unlimited", "attributes": {"k": "1", "k": "2"}}"#;
    let json = ("content-type", "application/json");
    for (headers, body, status, words) in [
        (&[json][..], twice, 400, "name"),
        (&[json], inner, 400, "`k` stands there twice"),
        (&[json], "null", 400, "expected an object"),
        (&[json], "[]", 400, ""),
        (&[json, ("content-encoding", "gzip")], SHOP, 415, "Content-Encoding"),
        (&[("content-type", "application/json; charset=utf-16")], SHOP, 415, "charset"),
        (&[("content-type", "text/plain")], SHOP, 415, "application/json"),
    ] {
        let (answered, told) = call(&portal, "POST", &applications, headers, body).await;
        assert_eq!((answered, &told["code"]), (status, &json!(status)), "{body}: {told}");
        let description = told["description"].as_str().unwrap();
        assert!(description.contains(words) && !description.contains("Body"), "{description}");
    }
    for (path, headers, status) in [
        (format!("{applications}/%ff"), &[][..], 400),
        (applications.clone(), &[("accept", "text/xml")], 406),
        (applications.clone(), &[("accept", "application/json;q=0")], 406),
        (format!("{applications}/x/y/z"), &[], 404),
    ] {
        let (answered, told) = call(&portal, "GET", &path, headers, "").await;
        assert_eq!((answered, &told["code"]), (status, &json!(status)), "{path}: {told}");
    }
    let everything = [("accept", "text/html, */*;q=0.8")];
    assert_eq!(call(&portal, "GET", &applications, &everything, "").await.0, 200);
    let xml = [json, ("accept", "text/xml")];
    assert_eq!(
        call(&portal, "POST", &applications, &xml, SHOP).await.0,
        201,
        "it is made, and said"
    );
}
