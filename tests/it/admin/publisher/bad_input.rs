//! Bad input: each field's type and limit, unknown fields, odd texts, pages out of range, ids that are none.

use serde_json::{Value, json};

use super::super::devportal::Portal;
use super::pay;

/// A word that the answer has, and a body that is refused.
type OddApi = (&'static str, Value);

fn odd_fields(portal: &Portal) -> Vec<OddApi> {
    let with = |field: &str, value: Value| {
        let mut body = pay(portal);
        body[field] = value;
        body
    };
    vec![
        ("odd", with("odd", json!(1))),
        ("__proto__", with("__proto__", json!({}))),
        ("name", with("name", json!(null))),
        ("name", with("name", json!(7))),
        ("name", with("name", json!(""))),
        ("name", with("name", json!("x".repeat(10_000)))),
        ("name", with("name", json!("a\u{0}b"))),
        ("name", with("name", json!("a\r\nb"))),
        ("name", with("name", json!("a\u{200b}b"))),
        ("name", with("name", json!("a:b"))),
        ("name", with("name", json!("../x"))),
        ("name", with("name", json!("<script>"))),
        ("name", with("name", json!("a' OR '1'='1"))),
        ("version", with("version", json!("1 0"))),
        ("version", with("version", json!("1".repeat(31)))),
        ("version", with("version", json!("1/0"))),
        ("version", with("version", json!(1.0))),
        ("context", with("context", json!("x".repeat(233)))),
        ("context", with("context", json!("/a\u{7}"))),
        ("context", with("context", json!("/a/../b"))),
        ("context", with("context", json!("/a?b"))),
        ("context", with("context", json!(["/a"]))),
        ("policies", with("policies", json!("Gold"))),
        ("Nothing", with("policies", json!(["Nothing"]))),
        ("policies", with("policies", json!(["Gold", "DefaultSubscriptionless"]))),
        ("Nothing", with("apiThrottlingPolicy", json!("Nothing"))),
        ("keyManagers", with("keyManagers", json!("all"))),
        ("no-such-is", with("keyManagers", json!(["no-such-is"]))),
        ("Cookie", with("authorizationHeader", json!("Cookie"))),
        ("lifeCycleStatus", with("lifeCycleStatus", json!("PUBLISHED"))),
        ("provider", with("provider", json!("admin"))),
        ("type", with("type", json!("GRAPHQL"))),
        ("transport", with("transport", json!(["https"]))),
        ("securityScheme", with("securityScheme", json!(["mutualssl", "mutualssl_mandatory"]))),
        ("visibility", with("visibility", json!("PRIVATE"))),
        ("enableSchemaValidation", with("enableSchemaValidation", json!(true))),
    ]
}

fn odd_parts(portal: &Portal) -> Vec<OddApi> {
    let with = |field: &str, value: Value| {
        let mut body = pay(portal);
        body[field] = value;
        body
    };
    let backend = |url: &str| json!({ "production_endpoints": { "url": url } });
    let operation = |own: &Value| with("operations", json!([own]));
    vec![
        ("corsConfiguration", with("corsConfiguration", json!({ "odd": 1 }))),
        (
            "allow_credentials",
            with(
                "corsConfiguration",
                json!({ "corsConfigurationEnabled": true, "accessControlAllowOrigins": ["*"],
                        "accessControlAllowCredentials": true }),
            ),
        ),
        ("maxTps", with("maxTps", json!({ "production": "x" }))),
        ("maxTps", with("maxTps", json!({ "sandbox": 5 }))),
        ("endpointConfig", with("endpointConfig", json!(null))),
        ("endpointConfig", with("endpointConfig", json!({}))),
        ("endpointConfig", with("endpointConfig", json!({ "odd": 1 }))),
        ("production_endpoints", with("endpointConfig", backend("ftp://a/"))),
        ("production_endpoints", with("endpointConfig", backend("srv+http://_a._tcp.b/"))),
        ("production_endpoints", with("endpointConfig", backend("http://user:secret@a/"))),
        ("production_endpoints", with("endpointConfig", backend("http://10.0.0.1/"))),
        ("production_endpoints", with("endpointConfig", backend("http://[::1]/"))),
        ("production_endpoints", with("endpointConfig", backend("http://169.254.169.254/latest"))),
        ("production_endpoints", with("endpointConfig", backend("http://2852039166/"))),
        ("scopes", with("scopes", json!([{ "scope": { "name": "" } }]))),
        ("scope", with("scopes", json!([{ "name": "a" }]))),
        ("target", operation(&json!({ "verb": "GET", "target": "orders" }))),
        ("verb", operation(&json!({ "target": "/orders" }))),
        ("verb", operation(&json!({ "verb": "FETCH", "target": "/orders" }))),
        ("`context`", with("context", json!("/a b"))),
        ("gatewayVendor", with("gatewayVendor", json!("solace"))),
        ("odd", operation(&json!({ "verb": "GET", "target": "/a", "odd": 1 }))),
        (
            "Nothing",
            operation(&json!({ "verb": "GET", "target": "/a", "throttlingPolicy": "Nothing" })),
        ),
        (
            "twice",
            with(
                "operations",
                json!([{ "verb": "GET", "target": "/a/{b}" }, { "verb": "GET", "target": "/a/{c}" }]),
            ),
        ),
    ]
}

#[tokio::test]
async fn every_field_has_a_type_and_a_limit_and_the_answer_names_it() {
    let portal = Portal::open().await;
    let id = portal.create_api(&pay(&portal)).await;
    let before = portal.publisher("GET", "/apis?limit=1000", None).await.body;
    for (field, mut body) in odd_fields(&portal).into_iter().chain(odd_parts(&portal)) {
        let put = portal.publisher("PUT", &format!("/apis/{id}"), Some(&body)).await;
        assert_eq!(put.status, 400, "{field}: {put:?}");
        if body["name"] == "Pay" {
            body["name"] = json!("Other");
        }
        if body["context"] == "/pay" {
            body["context"] = json!("/other");
        }
        let refused = portal.publisher("POST", "/apis", Some(&body)).await;
        assert_eq!(refused.status, 400, "{field}: {refused:?}");
        assert!(refused.description().contains(field), "{field}: {refused:?}");
        assert!(!refused.description().contains("secret"), "{refused:?}");
    }
    let after = portal.publisher("GET", "/apis?limit=1000", None).await.body;
    assert_eq!(before, after, "nothing was kept");
}

#[tokio::test]
async fn names_and_contexts_are_taken_once() {
    let portal = Portal::open().await;
    portal.create_api(&pay(&portal)).await;
    let again = portal.publisher("POST", "/apis", Some(&pay(&portal))).await;
    assert_eq!(again.code(), (409, 900_300));
    let mut body = pay(&portal);
    body["name"] = json!("Other");
    for context in ["/pay", "pay", "/pay/"] {
        body["context"] = json!(context);
        let taken = portal.publisher("POST", "/apis", Some(&body)).await;
        assert_eq!(taken.code(), (409, 900_251), "{context}: {taken:?}");
    }
    body["context"] = json!("/{version}/pay");
    portal.create_api(&body).await;
}

#[tokio::test]
async fn ids_that_are_none_and_pages_out_of_range_are_refused() {
    let portal = Portal::open().await;
    let nowhere = "11111111-2222-3333-4444-555555555555";
    for odd in ["x", "1", "%00", "..%2f..", "%27%20OR%201%3D1--", nowhere] {
        for below in ["", "/swagger", "/revisions", "/deployments", "/lifecycle-state"] {
            let answer = portal.publisher("GET", &format!("/apis/{odd}{below}"), None).await;
            assert_eq!(answer.code(), (404, 900_308), "{odd}{below}");
        }
        let path = format!("/apis/change-lifecycle?apiId={odd}&action=Publish");
        assert_eq!(portal.publisher("POST", &path, None).await.code(), (404, 900_308), "{odd}");
        assert_eq!(portal.publisher("GET", &format!("/scopes/{odd}"), None).await.status, 404);
    }
    for (path, field) in [
        ("/apis?limit=1001", "limit"),
        ("/apis?limit=-1", "limit"),
        ("/apis?offset=x", "offset"),
        ("/apis?query=password:x", "query"),
        ("/subscriptions?limit=x", "limit"),
        ("/subscriptions?query=x", "query"),
        ("/scopes?offset=-1", "offset"),
    ] {
        let refused = portal.publisher("GET", path, None).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        assert!(refused.description().contains(field), "{refused:?}");
    }
    for path in ["/apis/change-lifecycle", "/apis/change-lifecycle?action=Publish"] {
        assert_eq!(portal.publisher("POST", path, None).await.status, 400, "{path}");
    }
    let far = portal.publisher("GET", "/apis?offset=9223372036854775807", None).await;
    assert_eq!((far.status, &far.body["count"]), (200, &json!(0)));
}
