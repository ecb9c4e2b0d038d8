//! Tests of deny policies in WSO2's form.

use super::*;

fn read(kind: &str, value: &Value) -> Result<Object, Refused> {
    let body = json!({ "conditionType": kind, "conditionValue": value });
    let mut record = Record::new(Kind::DenyCondition, Uuid::nil(), "x");
    record.declared = declared(&serde_json::from_value(body).unwrap())?;
    Ok(Object::kept(record))
}

#[test]
fn all_five_types_are_read_and_shown_alike() {
    for (kind, value, own, text) in [
        ("API", json!("/orders/1.0.0"), "api", "/orders/1.0.0"),
        ("APPLICATION", json!("charlie:tpp"), "application", "charlie:tpp"),
        ("USER", json!("eve@carbon.super"), "user", "eve@carbon.super"),
        ("IP", json!({ "fixedIp": "192.0.2.1", "invert": true }), "ip", "192.0.2.1"),
        (
            "IPRANGE",
            json!({ "startingIp": "192.0.2.1", "endingIp": "192.0.2.9", "invert": false }),
            "ip_range",
            "192.0.2.1-192.0.2.9",
        ),
    ] {
        let object = read(kind, &value).unwrap();
        assert_eq!(object.record.text("type"), Some(own));
        assert_eq!(object.record.text("value"), Some(text));
        let shown = shown(&object);
        assert_eq!((&shown["conditionType"], &shown["conditionValue"]), (&json!(kind), &value));
        assert_eq!(shown["conditionStatus"], true);
        assert!(fits(&shown, "conditionType", kind));
    }
}

#[test]
fn a_bad_value_is_named() {
    for (kind, value, named) in [
        ("SUBSCRIPTION", json!("x"), "conditionType"),
        ("api", json!("x"), "conditionType"),
        ("API", json!({ "fixedIp": "192.0.2.1" }), "conditionValue"),
        ("USER", json!(7), "conditionValue"),
        ("USER", json!(""), "conditionValue"),
        ("USER", json!("a\u{0}"), "conditionValue"),
        ("USER", json!("x".repeat(10_000)), "conditionValue"),
        ("IP", json!("192.0.2.1"), "conditionValue"),
        ("IP", json!({ "fixedIp": "192.0.2" }), "conditionValue.fixedIp"),
        ("IP", json!({ "fixedIp": "192.0.2.1", "mask": 8 }), "mask"),
        ("IPRANGE", json!({ "startingIp": "192.0.2.1" }), "conditionValue.endingIp"),
    ] {
        let refused = read(kind, &value).unwrap_err();
        assert_eq!(refused.status.as_u16(), 400, "{value}");
        assert!(refused.description.contains(named), "{value}: {}", refused.description);
    }
}

#[test]
fn a_query_has_type_and_value() {
    let found = wanted("conditionType:API & conditionValue:/test/1.0.0").unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].1, "/test/1.0.0");
    assert!(wanted("").unwrap().is_empty());
    assert!(wanted("status:true").is_err() && wanted("API").is_err());
}

#[test]
fn an_api_is_named_by_context_and_version() {
    let mut api = Record::new(Kind::Api, Uuid::nil(), "orders:1.0.0");
    api.declared.insert("context".to_owned(), json!("/orders"));
    api.declared.insert("version".to_owned(), json!("1.0.0"));
    assert!(serves(&api, "/orders/1.0.0") && !serves(&api, "/orders"));
    api.declared.insert("context".to_owned(), json!("/v/{version}/orders"));
    assert!(serves(&api, "/v/1.0.0/orders"));
}
