//! From WSO2's forms to tables of `[[throttling_policies]]` and back.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::administration::policies::body::PolicyBody;
use crate::admin::administration::policies::read::{PolicyDraft, draft};
use crate::admin::administration::policies::shown;
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::model::policy::PolicyLevel;
use crate::store::{Kind, Record};

use PolicyLevel::{Advanced, Application, Subscription};

fn read(level: PolicyLevel, body: Value) -> Result<PolicyDraft, Refused> {
    let body: PolicyBody =
        serde_json::from_value(body).map_err(|error| Refused::bad_request(error.to_string()))?;
    draft(level, &body)
}

fn requests(count: u64, time_unit: &str, unit_time: u64) -> Value {
    json!({
        "type": "REQUESTCOUNTLIMIT",
        "requestCount": {
            "timeUnit": time_unit, "unitTime": unit_time, "requestCount": count,
        },
    })
}

fn with_limit(limit: &Value) -> Value {
    json!({ "policyName": "P", "defaultLimit": limit })
}

fn shown_again(level: PolicyLevel, draft: PolicyDraft) -> Value {
    let name = Record::policy_name(level, &draft.name);
    let mut record = Record::new(Kind::ThrottlingPolicy, Uuid::nil(), name);
    record.declared = draft.declared;
    record.extra = draft.extra;
    shown::policy(&Object::kept(record))
}

#[test]
fn figures_are_those_of_the_file() {
    let bytes = |amount: u64, unit: &str| {
        json!({
            "type": "BANDWIDTHLIMIT",
            "bandwidth": {
                "timeUnit": "day", "unitTime": 1, "dataAmount": amount, "dataUnit": unit,
            },
        })
    };
    for (limit, wanted) in [
        (requests(5, "sec", 30), json!({ "requests": 5, "per": "30s" })),
        (requests(5, "min", 1), json!({ "requests": 5, "per": "1m" })),
        (requests(5, "minutes", 2), json!({ "requests": 5, "per": "2m" })),
        (requests(5, "hours", 24), json!({ "requests": 5, "per": "24h" })),
        (requests(5, "day", 1), json!({ "requests": 5, "per": "1d" })),
        (requests(5, "months", 1), json!({ "requests": 5, "per": "1month" })),
        (bytes(3, "KB"), json!({ "bandwidth": 3072, "per": "1d" })),
        (bytes(3, "mb"), json!({ "bandwidth": 3_145_728, "per": "1d" })),
        (
            json!({
                "type": "EVENTCOUNTLIMIT",
                "eventCount": { "timeUnit": "min", "unitTime": 1, "eventCount": 9 },
            }),
            json!({ "events": 9, "events_header": "x-event-count", "per": "1m" }),
        ),
        (
            json!({
                "type": "AIAPIQUOTALIMIT",
                "aiApiQuota": {
                    "timeUnit": "min", "unitTime": 1, "requestCount": 2, "totalTokenCount": 9,
                },
            }),
            json!({
                "requests": 2, "events": 9, "events_header": "x-ai-total-tokens", "per": "1m",
            }),
        ),
    ] {
        let found = read(Application, with_limit(&limit)).unwrap();
        let mut declared = Value::Object(found.declared.clone());
        for key in ["name", "level"] {
            declared.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(declared, wanted);
        assert_eq!(shown_again(Application, found)["defaultLimit"], limit, "as it was sent");
    }
}

#[test]
fn an_imported_policy_is_shown_by_what_it_declares() {
    let mut draft = read(Application, with_limit(&requests(5, "minutes", 1))).unwrap();
    draft.declared.insert("requests".to_owned(), json!(7));
    let shown = shown_again(Application, draft);
    assert_eq!(shown["defaultLimit"], requests(7, "min", 1));
}

#[test]
fn a_subscription_policy_goes_on_unless_it_says_stop() {
    let mut body = with_limit(&requests(5, "min", 1));
    let declared = |body: &Value| read(Subscription, body.clone()).unwrap().declared;
    assert_eq!(declared(&body)["stop_on_quota_reach"], false);
    body["stopOnQuotaReach"] = json!(true);
    body["rateLimitCount"] = json!(2);
    body["rateLimitTimeUnit"] = json!("sec");
    body["billingPlan"] = json!("FREE");
    body["customAttributes"] = json!([{ "name": "team", "value": "a" }]);
    body["permissions"] = json!({ "permissionType": "ALLOW", "roles": ["Internal/everyone"] });
    body["monetization"] = json!({ "monetizationPlan": "FixedRate", "properties": {} });
    let own = read(Subscription, body.clone()).unwrap();
    assert_eq!(own.declared["stop_on_quota_reach"], true);
    assert_eq!(own.declared["burst"], json!({ "requests": 2, "per": "1s" }));
    let shown = shown_again(Subscription, own);
    for field in ["rateLimitCount", "rateLimitTimeUnit", "customAttributes", "permissions"] {
        assert_eq!(shown[field], body[field], "{field}");
    }
    assert_eq!(shown["type"], "SubscriptionThrottlePolicy");
    assert_eq!(shown["isDeployed"], true);
}

fn group(conditions: &Value) -> Value {
    json!({
        "policyName": "P",
        "defaultLimit": requests(9, "min", 1),
        "conditionalGroups": [{
            "description": "some",
            "conditions": conditions,
            "limit": requests(1, "min", 1),
        }],
    })
}

fn header(name: &str, invert: bool) -> Value {
    json!({
        "type": "HEADERCONDITION",
        "invertCondition": invert,
        "headerCondition": { "headerName": name, "headerValue": "^a" },
    })
}

fn address(kind: &str) -> Value {
    json!({
        "type": "IPCONDITION",
        "ipCondition": {
            "ipConditionType": kind,
            "specificIP": "192.0.2.1",
            "startingIP": "192.0.2.1",
            "endingIP": "192.0.2.9",
        },
    })
}

#[test]
fn conditional_groups_are_conditions() {
    let body = group(&json!([
        header("X-One", false),
        header("X-Two", false),
        address("IPRANGE"),
        {
            "type": "JWTCLAIMSCONDITION",
            "invertCondition": true,
            "jwtClaimsCondition": { "claimUrl": "org", "attribute": "^b$" },
        },
        {
            "type": "QUERYPARAMETERCONDITION",
            "queryParameterCondition": { "parameterName": "q", "parameterValue": "c" },
        },
    ]));
    let mut own = read(Advanced, body.clone()).unwrap();
    assert_eq!(
        own.declared["conditions"],
        json!([{
            "headers": { "x-one": "^a", "x-two": "^a" },
            "ips": ["192.0.2.1-192.0.2.9"],
            "claims": { "org": "^b$" },
            "query": { "q": "c" },
            "invert": ["claims"],
            "requests": 1,
            "per": "1m",
        }])
    );
    let groups = &shown_again(Advanced, read(Advanced, body).unwrap())["conditionalGroups"];
    assert_eq!(groups[0]["description"], "some");
    assert_eq!(groups[0]["conditions"][0]["headerCondition"]["headerName"], "X-One");
    own.extra.remove("sent");
    let conditions = own.declared["conditions"].clone();
    let derived = shown_again(Advanced, own);
    let again = read(Advanced, derived).unwrap();
    assert_eq!(again.declared["conditions"], conditions);
}

#[test]
fn a_bad_field_is_named() {
    let limit = |change: Value| {
        let mut limit = requests(5, "min", 1);
        for (name, value) in change.as_object().unwrap() {
            limit["requestCount"][name] = value.clone();
        }
        with_limit(&limit)
    };
    let of_group = |conditions: Value| group(&conditions);
    let plus = |more: Value| {
        let mut body = with_limit(&requests(5, "min", 1));
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let mut no_type = with_limit(&requests(5, "min", 1));
    no_type["defaultLimit"]["type"] = json!("REQUESTS");
    let cases = [
        (Application, json!({ "policyName": "P" }), "defaultLimit"),
        (Application, json!({ "defaultLimit": requests(1, "min", 1) }), "policyName"),
        (Application, no_type, "defaultLimit.type"),
        (Application, limit(json!({ "requestCount": 0 })), "requestCount"),
        (Application, limit(json!({ "requestCount": -1 })), "-1"),
        (Application, limit(json!({ "requestCount": "5" })), "string"),
        (Application, limit(json!({ "unitTime": 0 })), "unitTime"),
        (Application, limit(json!({ "timeUnit": "year" })), "timeUnit"),
        (Application, limit(json!({ "timeUnit": "days", "unitTime": 2 })), "unitTime"),
        (Application, limit(json!({ "eventCount": 5 })), "eventCount"),
        (Application, limit(json!({ "perSecond": 5 })), "perSecond"),
        (Application, json!({ "policyName": "P", "quota": 5 }), "quota"),
        (Application, plus(json!({ "stopOnQuotaReach": true })), "stopOnQuotaReach"),
        (Subscription, plus(json!({ "billingPlan": "COMMERCIAL" })), "billingPlan"),
        (
            Subscription,
            plus(json!({ "permissions": { "permissionType": "DENY", "roles": ["a"] } })),
            "permissions",
        ),
        (
            Subscription,
            plus(json!({ "rateLimitCount": 5, "rateLimitTimeUnit": "week" })),
            "rateLimitTimeUnit",
        ),
        (Advanced, of_group(json!([])), "conditions"),
        (Advanced, of_group(json!([header("a", true), header("b", false)])), "inverted"),
        (Advanced, of_group(json!([header("a", false), header("b", true)])), "inverted"),
        (Advanced, of_group(json!([header("a", false), header("A", false)])), "twice"),
        (Advanced, of_group(json!([address("IPSPECIFIC"), address("IPRANGE")])), "addresses"),
        (Advanced, of_group(json!([address("NETWORK")])), "ipConditionType"),
        (Advanced, of_group(json!([{ "type": "HEADERCONDITION" }])), "headerCondition"),
        (Advanced, of_group(json!([{ "type": "DATECONDITION" }])), "conditions.type"),
        (Application, plus(json!({ "policyName": "é" })), "`policyName`"),
    ];
    for (level, body, named) in cases {
        let refused = read(level, body.clone()).unwrap_err();
        assert_eq!(refused.status.as_u16(), 400);
        assert!(refused.description.contains(named), "{body}: {}", refused.description);
    }
}

#[test]
fn a_bad_condition_names_its_field() {
    let (first, last) = ("10.0.0.9", "10.0.0.1");
    let range = json!({ "ipConditionType": "IPRANGE", "startingIP": first, "endingIP": last });
    let single = json!({ "ipConditionType": "IPSPECIFIC", "specificIP": "here" });
    let claim = json!({ "claimUrl": "a", "attribute": "(" });
    for (condition, named) in [
        (header("a b", false), "headerCondition.headerName"),
        (
            json!({ "type": "JWTCLAIMSCONDITION", "jwtClaimsCondition": claim }),
            "jwtClaimsCondition",
        ),
        (json!({ "type": "IPCONDITION", "ipCondition": range }), "endingIP"),
        (json!({ "type": "IPCONDITION", "ipCondition": single }), "specificIP"),
    ] {
        let refused = read(Advanced, group(&json!([condition]))).unwrap_err();
        assert_eq!(refused.status.as_u16(), 400);
        assert!(refused.description.contains(named), "{}", refused.description);
    }
}

#[test]
fn a_bad_name_is_named() {
    for name in ["", " ", "a\u{0}", "a\nb", "\u{202e}a", &"x".repeat(61), &"x".repeat(10_000)] {
        let body = json!({ "policyName": name, "defaultLimit": requests(1, "min", 1) });
        let refused = read(Application, body).unwrap_err();
        assert!(refused.description.contains("policyName"), "{name:?}");
        assert!(refused.description.len() < 200);
    }
}

#[test]
fn built_in_policies_are_shown_with_ids_of_their_names() {
    let all: Vec<_> = shown::built_in_policies().map(|own| shown::policy(&own)).collect();
    assert_eq!(all.len(), 14);
    let gold = all.iter().find(|own| own["policyName"] == "Gold").unwrap();
    assert_eq!(gold["defaultLimit"], requests(5000, "min", 1));
    assert_eq!(gold["policyId"], json!(shown::derived_id("subscription:Gold")));
    let ai = all.iter().find(|own| own["policyName"] == "AIGold").unwrap();
    assert_eq!(ai["defaultLimit"]["aiApiQuota"]["totalTokenCount"], 50_000);
}
