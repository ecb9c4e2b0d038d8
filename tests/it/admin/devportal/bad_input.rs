//! Bad input: each field's type and limit, unknown fields, odd texts, pages out of range, ids that are none.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{PORTAL, Portal, text};

/// A refused body, and the field that the answer names.
type Odd = (&'static str, Value);

fn odd_applications() -> Vec<Odd> {
    let with = |field: &str, value: Value| {
        let mut body = json!({ "name": "odd", "throttlingPolicy": "Unlimited" });
        body[field] = value;
        body
    };
    vec![
        ("name", json!({ "throttlingPolicy": "Unlimited" })),
        ("throttlingPolicy", json!({ "name": "odd" })),
        ("name", with("name", json!(7))),
        ("name", with("name", json!(null))),
        ("name", with("name", json!(""))),
        ("name", with("name", json!("   "))),
        ("name", with("name", json!("x".repeat(101)))),
        ("name", with("name", json!("x".repeat(10_000)))),
        ("name", with("name", json!("a\u{0}b"))),
        ("name", with("name", json!("a\r\nb"))),
        ("name", with("name", json!("a\u{200b}b"))),
        ("name", with("name", json!("\u{202e}evil"))),
        ("name", with("name", json!(" a"))),
        ("throttlingPolicy", with("throttlingPolicy", json!([]))),
        ("throttlingPolicy", with("throttlingPolicy", json!("x".repeat(10_000)))),
        ("description", with("description", json!("x".repeat(513)))),
        ("description", with("description", json!({}))),
        ("tokenType", with("tokenType", json!("SAML"))),
        ("tokenType", with("tokenType", json!(1))),
        ("groups", with("groups", json!("team"))),
        ("groups", with("groups", json!([1]))),
        ("groups", with("groups", json!(["others"]))),
        ("attributes", with("attributes", json!([]))),
        ("attributes", with("attributes", json!({ "a": 1 }))),
        ("attributes.a", with("attributes", json!({ "a": "x".repeat(1025) }))),
        ("visibility", with("visibility", json!("SHARED_WITH_ORG"))),
        ("callbackUrl", with("callbackUrl", json!("https://x"))),
        ("__proto__", with("__proto__", json!({}))),
    ]
}

fn odd_mappings() -> Vec<Odd> {
    vec![
        ("consumerKey", json!({ "keyType": "PRODUCTION" })),
        ("keyType", json!({ "consumerKey": "a" })),
        ("keyType", json!({ "consumerKey": "a", "keyType": "production" })),
        ("keyType", json!({ "consumerKey": "a", "keyType": 1 })),
        ("consumerKey", json!({ "consumerKey": ["a"], "keyType": "PRODUCTION" })),
        (
            "consumerSecret",
            json!({ "consumerKey": "a", "keyType": "PRODUCTION", "consumerSecret": 1 }),
        ),
        ("keyManager", json!({ "consumerKey": "a", "keyType": "PRODUCTION", "keyManager": {} })),
        ("secret", json!({ "consumerKey": "a", "keyType": "PRODUCTION", "secret": "x" })),
        ("consumerKey", odd_client("a\u{202e}b")),
        ("consumerKey", odd_client("a\u{200b}")),
        ("consumerKey", odd_client(" a")),
    ]
}

fn odd_client(consumer_key: &str) -> Value {
    json!({ "consumerKey": consumer_key, "keyType": "PRODUCTION", "keyManager": "bank-is" })
}

fn odd_subscriptions(application: &str, api: &str) -> Vec<Odd> {
    let with = |field: &str, value: Value| {
        let mut body =
            json!({ "applicationId": application, "apiId": api, "throttlingPolicy": "Gold" });
        body[field] = value;
        body
    };
    vec![
        ("applicationId", json!({ "apiId": api, "throttlingPolicy": "Gold" })),
        ("throttlingPolicy", json!({ "applicationId": application, "apiId": api })),
        ("apiId", with("apiId", json!(null))),
        ("apiId", with("apiId", json!(3))),
        ("throttlingPolicy", with("throttlingPolicy", json!("x".repeat(10_000)))),
        ("throttlingPolicy", with("throttlingPolicy", json!("a\u{7}"))),
        ("tier", with("tier", json!("Gold"))),
        ("status", with("status", json!("BLOCKED"))),
    ]
}

#[tokio::test]
async fn every_field_has_a_type_and_a_limit_and_the_answer_names_it() {
    let portal = Portal::open().await;
    let application = portal.application("ann", "one").await;
    let api = portal.api("accounts").await;
    let tables = [
        ("/applications".to_owned(), odd_applications()),
        (format!("/applications/{application}/map-keys"), odd_mappings()),
        ("/subscriptions".to_owned(), odd_subscriptions(&application, &api)),
    ];
    for (path, table) in tables {
        for (field, body) in table {
            let refused = portal.post("ann", &path, &body).await;
            assert_eq!(refused.status, 400, "{path} {field}: {refused:?}");
            assert!(refused.description().contains(field), "{path} {field}: {refused:?}");
            assert!(refused.body["message"].is_string() && refused.body["error"].is_array());
        }
    }
    for body in ["", "{", "[]", "7", "\"x\"", "null", "{\"name\":\"a\",\"name\":\"b\"}"] {
        let refused = raw(&portal, "application/json", body.to_owned()).await;
        assert_eq!(refused, 400, "{body}");
    }
    assert_eq!(raw(&portal, "text/plain", "{}".to_owned()).await, 415);
    assert_eq!(raw(&portal, "application/json", " ".repeat(1024 * 1024 + 1)).await, 413);
    assert_eq!(portal.get("ann", "/applications").await.names(), ["one"], "nothing was kept");
}

async fn raw(portal: &Portal, content_type: &str, body: String) -> u16 {
    let url = portal.bank.gateway.management_url(&format!("{PORTAL}/applications"));
    let request = Request::post(url)
        .header("authorization", "Basic YW5uOnNlY3JldA==")
        .header("content-type", content_type)
        .body(Bytes::from(body));
    portal.bank.gateway.send(request.unwrap()).await.status().as_u16()
}

#[tokio::test]
async fn pages_out_of_range_and_unknown_orders_are_refused() {
    let portal = Portal::open().await;
    for (query, field) in [
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("offset=-1", "offset"),
        ("offset=1.5", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("sortBy=password", "sortBy"),
        ("sortBy=throttlingPolicy", "sortBy"),
        ("sortOrder=up", "sortOrder"),
        ("limit=1&limit=2", "limit"),
    ] {
        let refused = portal.get("ann", &format!("/applications?{query}")).await;
        assert_eq!(refused.status, 400, "{query}: {refused:?}");
        assert!(refused.description().contains(field), "{query}: {refused:?}");
    }
    let far = portal.get("ann", "/applications?offset=9223372036854775807").await;
    assert_eq!((far.status, &far.body["count"]), (200, &json!(0)), "{far:?}");
}

#[tokio::test]
async fn ids_that_are_none_name_nothing() {
    let portal = Portal::open().await;
    let id = portal.application("ann", "one").await;
    let plain = id.replace('-', "");
    let upper = id.to_uppercase();
    for odd in ["x", "1", "%00", "..%2f..", "%27%20OR%201%3D1--", "{{7*7}}", &plain] {
        let path = odd.replace('{', "%7b").replace('}', "%7d");
        for below in ["", "/oauth-keys", "/keys/PRODUCTION"] {
            let answer = portal.get("ann", &format!("/applications/{path}{below}")).await;
            assert_eq!(answer.code(), (404, 900_307), "{odd}{below}");
        }
        let answer = portal.get("ann", &format!("/subscriptions/{path}")).await;
        assert_eq!(answer.code(), (404, 900_310), "{odd}");
        let answer = portal.get("ann", &format!("/applications/{id}/oauth-keys/{path}")).await;
        assert_eq!(answer.code(), (404, 900_331), "{odd}");
    }
    // RFC 9562: the case of a UUID says nothing
    assert_eq!(portal.get("ann", &format!("/applications/{upper}")).await.status, 200);
}

#[tokio::test]
async fn odd_names_are_names_and_nothing_more() {
    let portal = Portal::open().await;
    for name in
        ["' OR 1=1 --", "{{7*7}}", "../../etc/passwd", "<script>", "%00", "a\\b\"c", "p%_", "ünï"]
    {
        let id = portal.application("ann", name).await;
        let read = portal.get("ann", &format!("/applications/{id}")).await;
        assert_eq!(read.body["name"], name);
        let query = form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
        let found = portal.get("ann", &format!("/applications?query={query}")).await;
        assert_eq!(found.names(), [name]);
    }
    // names that look alike are two names, and each has its own application
    let latin = portal.application("ann", "pay").await;
    let cyrillic = portal.application("ann", "p\u{430}y").await;
    assert_ne!(latin, cyrillic);
    let found = portal.get("ann", "/applications?query=pay").await;
    assert_eq!(text(&found.body["list"][0]["applicationId"]), latin);
}
