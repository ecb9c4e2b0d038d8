//! Definitions that are read, and those that are refused.

use std::fmt::Write;

use serde_json::json;

use super::*;

const YAML: &str = "\
openapi: 3.0.1
info: {title: Pay, version: 1.0.0}
servers: [{url: 'https://pay.bank.example/v1'}]
security: [{default: [read]}]
components:
  securitySchemes: {default: {type: oauth2}, key: {type: apiKey}}
paths:
  /orders/{id}:
    parameters: []
    get: {responses: {200: {description: ok}}}
    put: {security: [{default: [write]}, {key: [odd]}], x-throttling-tier: 10KPerMin}
  /status:
    get: {x-auth-type: None, security: []}
";

#[test]
fn yaml_and_json_say_the_same() {
    let document = parse(YAML).unwrap();
    assert_eq!(document["paths"]["/orders/{id}"]["get"]["responses"]["200"]["description"], "ok");
    let same = parse(&document.to_string()).unwrap();
    assert_eq!(same, document);
    let definition = read(document).unwrap();
    assert_eq!((definition.title.as_str(), definition.version.as_str()), ("Pay", "1.0.0"));
    assert_eq!(definition.endpoints, ["https://pay.bank.example/v1"]);
    let declared = definition.declared(None);
    let expected = json!([
        { "method": "GET", "path": "/orders/{id}", "scopes": ["read"] },
        { "method": "PUT", "path": "/orders/{id}", "scopes": ["write"], "policy": "10KPerMin" },
        { "method": "GET", "path": "/status", "auth": "none" },
    ]);
    assert_eq!(declared, expected);
}

#[test]
fn the_present_operation_stays_where_the_definition_is_silent() {
    let document = json!({ "swagger": "2.0", "info": { "title": "a", "version": "1" },
                           "host": "a.example", "basePath": "/b", "schemes": ["http"],
                           "paths": { "/a": { "get": {}, "post": { "x-auth-type": "None" } } } });
    let definition = read(document).unwrap();
    assert_eq!(definition.endpoints, ["http://a.example/b"]);
    let present = json!([{ "method": "GET", "path": "/a", "scopes": ["r"], "policy": "p" },
                         { "method": "POST", "path": "/a", "scopes": ["r"] },
                         { "method": "GET", "path": "/gone" }]);
    let expected = json!([{ "method": "GET", "path": "/a", "scopes": ["r"], "policy": "p" },
                          { "method": "POST", "path": "/a", "auth": "none" }]);
    assert_eq!(definition.declared(Some(&present)), expected);
}

#[test]
fn faults_are_told_all_at_once() {
    let faults = |document: Value| read(document).unwrap_err().join("; ");
    let all = faults(json!({ "openapi": "4.0", "info": { "title": "" }, "paths": [] }));
    for part in ["`openapi`", "`info.title`", "`info.version`", "`paths`"] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let info = json!({ "title": "a", "version": "1" });
    let with = |paths: Value| json!({ "openapi": "3.1.0", "info": info, "paths": paths });
    for (paths, part) in [
        (json!({}), "no operation"),
        (json!({ "a": { "get": {} } }), "no path"),
        (json!({ "/a": [] }), "no path"),
        (json!({ "/a": { "$ref": "#/paths/~1a" } }), "`$ref`"),
        (json!({ "/a": { "fetch": {} } }), "\"fetch\""),
        (json!({ "/a": { "get": 1 } }), "\"get\""),
        (json!({ "/a": { "trace": {} } }), "\"trace\""),
    ] {
        let told = faults(with(paths));
        assert!(told.contains(part), "{part}: {told}");
    }
    let many: Map<String, Value> =
        (0..=MOST_ENTRIES).map(|own| (format!("/{own}"), json!({ "get": {} }))).collect();
    assert!(faults(with(json!(many))).contains("more than"));
    // schemas are not read, so one that names itself is as good as any
    let mut cyclic = with(json!({ "/a": { "get": {} } }));
    cyclic["components"] = json!({ "schemas": { "A": { "$ref": "#/components/schemas/A" } } });
    read(cyclic).unwrap();
}

#[test]
fn odd_documents_are_refused() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, two) in ["ab", "bc", "cd", "de", "ef", "fg", "gh"].iter().map(|pair| pair.split_at(1))
    {
        let uses = vec![format!("*{one}"); 10].join(", ");
        writeln!(bomb, "{two}: &{two} [{uses}]").unwrap();
    }
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let deep_yaml = format!("a: {}1{}", "[".repeat(300), "]".repeat(300));
    let long = format!("a: {}", "x".repeat(MOST_BYTES));
    let large = "x".repeat(2000);
    let grown = format!("a: &a {large}\nb: [{}]\n", vec!["*a"; 600].join(", "));
    for (name, text) in [
        ("bomb", bomb.as_str()),
        ("deep", &deep),
        ("deep yaml", &deep_yaml),
        ("long", &long),
        ("grown", &grown),
        ("empty", ""),
        ("text", "hello"),
        ("list", "[]"),
        ("number", "7"),
        ("broken", "{\"openapi\":"),
        ("two", "a: 1\n---\nb: 2\n"),
        ("cyclic", "a: &a [*a]\n"),
        ("twice", "a: 1\na: 2\n"),
        ("tab", "a:\n\t- b\n"),
    ] {
        assert!(parse(text).is_err(), "{name}: {:?}", parse(text).map(|own| own.to_string().len()));
    }
}
