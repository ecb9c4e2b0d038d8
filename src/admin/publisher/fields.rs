//! Fields of WSO2's form of an API that have no function here.
//!
//! Each is kept and given back, or permitted with its default only.

use serde_json::{Map, Value};

use crate::admin::publisher::body::ApiBody;
use crate::admin::refused::Refused;
use crate::admin::texts;

/// Entries of a list. WSO2's definition has no limit.
pub(super) const MOST_ENTRIES: usize = 1000;

/// The longest text where WSO2's definition has no limit.
const MOST_TEXT: usize = 4096;

/// WSO2's limit of a description.
const MOST_DESCRIPTION: usize = 32_766;

#[derive(Debug, Clone, Copy)]
enum FieldRule {
    /// A field of answers: a body that repeats it has no effect.
    Shown,
    /// A string of at most so many characters, returned as it was sent.
    Text(usize),
    /// A list of strings, returned as it was sent.
    Texts,
    /// Any document without odd strings, returned as it was sent.
    Document,
    /// One of these, as JSON: other values have no function.
    Only(&'static [&'static str]),
    /// The other places that advertise the API: none, whoever owns it.
    Unadvertised,
}

use FieldRule::{Document, Only, Shown, Text, Texts, Unadvertised};

const NOTHING: FieldRule = Only(&["[]", "{}", "\"\""]);
/// The value that WSO2 shows for an API of its own.
const UNADVERTISED_HERE: &str = "{\"advertised\":false,\"vendor\":\"WSO2\"}";

const OFF: FieldRule = Only(&["false"]);

/// Policies of messages, of which there are none.
pub(super) const NO_POLICIES: [&str; 2] = ["{}", "{\"request\":[],\"response\":[],\"fault\":[]}"];

const OTHERS: &[(&str, FieldRule)] = &[
    ("id", Shown),
    ("createdTime", Shown),
    ("lastUpdatedTime", Shown),
    ("lastUpdatedTimestamp", Shown),
    ("workflowStatus", Shown),
    ("hasThumbnail", Shown),
    ("gatewayVendor", Only(&["\"wso2\""])),
    ("displayName", Text(MOST_TEXT)),
    ("description", Text(MOST_DESCRIPTION)),
    ("tags", Texts),
    ("categories", Texts),
    ("businessInformation", Document),
    ("additionalProperties", Document),
    ("additionalPropertiesMap", Document),
    // without caching the number has no effect
    ("cacheTimeout", Document),
    ("responseCachingEnabled", OFF),
    ("wsdlInfo", NOTHING),
    ("wsdlUrl", NOTHING),
    ("isRevision", OFF),
    ("revisionedApiId", NOTHING),
    ("revisionId", Only(&["0"])),
    ("enableSchemaValidation", OFF),
    ("enableSubscriberVerification", OFF),
    ("type", Only(&["\"HTTP\""])),
    ("audience", Only(&["\"PUBLIC\""])),
    ("transport", Only(&["[\"http\",\"https\"]", "[\"https\",\"http\"]"])),
    ("organizationPolicies", NOTHING),
    ("apiKeyHeader", Only(&["\"\"", "\"ApiKey\"", "\"apiKey\""])),
    (
        "securityScheme",
        Only(&[
            "[\"oauth2\"]",
            "[\"oauth2\",\"oauth_basic_auth_api_key_mandatory\"]",
            "[\"oauth_basic_auth_api_key_mandatory\",\"oauth2\"]",
        ]),
    ),
    ("visibility", Only(&["\"PUBLIC\""])),
    ("visibleRoles", NOTHING),
    ("visibleTenants", NOTHING),
    ("visibleOrganizations", Only(&["[]", "[\"all\"]", "[\"none\"]"])),
    ("mediationPolicies", NOTHING),
    ("apiPolicies", Only(&NO_POLICIES)),
    ("apiHubPolicies", NOTHING),
    ("subscriptionAvailability", Only(&["\"CURRENT_TENANT\""])),
    ("subscriptionAvailableTenants", NOTHING),
    ("monetization", Only(&["{\"enabled\":false}", "{\"enabled\":false,\"properties\":{}}"])),
    ("accessControl", Only(&["\"NONE\""])),
    ("accessControlRoles", NOTHING),
    (
        "websubSubscriptionConfiguration",
        Only(&[
            "{\"enable\":false}",
            "{\"enable\":false,\"secret\":\"\",\"signingAlgorithm\":\"\",\"signatureHeader\":\"\"}",
            "{\"enable\":false,\"secret\":\"\",\"signingAlgorithm\":\"SHA1\",\
             \"signatureHeader\":\"x-hub-signature\"}",
        ]),
    ),
    ("primaryProductionEndpointId", NOTHING),
    ("primarySandboxEndpointId", NOTHING),
    ("endpointImplementationType", Only(&["\"ENDPOINT\""])),
    ("subtypeConfiguration", Only(&["{}", "{\"subtype\":\"DEFAULT\"}"])),
    ("threatProtectionPolicies", Only(&["{}", "{\"list\":[]}"])),
    ("serviceInfo", Only(&["{}", "{\"outdated\":false}"])),
    ("advertiseInfo", Unadvertised),
    ("gatewayType", Only(&["\"wso2/synapse\""])),
    ("initiatedFromGateway", OFF),
    ("asyncTransportProtocols", NOTHING),
    ("egress", OFF),
];

/// Returns the members that are shown as they were sent.
pub(super) fn kept(body: &ApiBody) -> Result<Map<String, Value>, Refused> {
    let mut kept = Map::new();
    let Ok(Value::Object(others)) = serde_json::to_value(body) else { return Ok(kept) };
    for (name, value) in others {
        let Some((_, rule)) = OTHERS.iter().find(|(own, _)| *own == name) else { continue };
        if value.is_null() || matches!(rule, Shown) {
            continue;
        }
        rule.check(&name, &value)?;
        kept.insert(name, value);
    }
    Ok(kept)
}

impl FieldRule {
    fn check(self, name: &str, value: &Value) -> Result<(), Refused> {
        let refused = |why: &str| Err(Refused::bad_request(format!("`{name}` {why}")));
        match (self, value) {
            (Shown, _) => Ok(()),
            (Text(most), Value::String(text)) => texts::prose(name, text, most),
            (Text(_), _) => refused("is not a text"),
            (Texts, Value::Array(list)) if list.iter().all(Value::is_string) => {
                texts_within(name, value)
            }
            (Texts, _) => refused("is not a list of texts"),
            (Document, _) => texts_within(name, value),
            (Only(permitted), _) => only(name, value, permitted),
            (Unadvertised, Value::Object(members)) => {
                texts_within(name, value)?;
                let mut rest = members.clone();
                rest.remove("apiOwner");
                let rest = Value::Object(rest);
                only(name, &rest, &["{\"advertised\":false}", UNADVERTISED_HERE])
            }
            (Unadvertised, _) => only(name, value, &["{\"advertised\":false}"]),
        }
    }
}

/// Refuses a value that is none of these, and not `null`. Empty members (`null`, an empty string,
/// list or object) do not count: WSO2's answers have them, and scripts send them back.
pub(super) fn only(name: &str, value: &Value, permitted: &[&str]) -> Result<(), Refused> {
    let said = said(value);
    let fits =
        |text: &&str| serde_json::from_str::<Value>(text).is_ok_and(|own| self::said(&own) == said);
    if value.is_null() || permitted.iter().any(fits) {
        return Ok(());
    }
    let description =
        format!("`{name}` has no function here; these are possible: {}", permitted.join(", "));
    Err(Refused::bad_request(description))
}

fn said(value: &Value) -> Value {
    let says_nothing = |own: &Value| match own {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, own)| (key.clone(), said(own)));
            Value::Object(members.filter(|(_, own)| !says_nothing(own)).collect())
        }
        other => other.clone(),
    }
}

fn texts_within(name: &str, value: &Value) -> Result<(), Refused> {
    match value {
        Value::String(text) => texts::prose(name, text, MOST_TEXT),
        Value::Array(list) => {
            bounded(name, list.len())?;
            list.iter().try_for_each(|own| texts_within(name, own))
        }
        Value::Object(members) => {
            bounded(name, members.len())?;
            members.iter().try_for_each(|(key, own)| {
                texts::prose(name, key, MOST_TEXT)?;
                texts_within(name, own)
            })
        }
        _ => Ok(()),
    }
}

pub(super) fn bounded(name: &str, entries: usize) -> Result<(), Refused> {
    if entries > MOST_ENTRIES {
        let description = format!("`{name}` has more than {MOST_ENTRIES} entries");
        return Err(Refused::bad_request(description));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Map<String, Value>, Refused> {
        kept(&serde_json::from_value::<ApiBody>(value).unwrap())
    }

    #[test]
    fn every_field_without_a_function_has_a_rule() {
        let mut fields = json!(ApiBody::default());
        let fields = fields.as_object_mut().unwrap();
        for (name, _) in OTHERS {
            assert!(fields.remove(*name).is_some(), "{name} is no field");
        }
        assert!(fields.is_empty(), "no rule: {fields:?}");
    }

    #[test]
    fn what_wso2_answers_can_be_sent_back() {
        let whole = json!({
            "serviceInfo": { "key": null, "name": null, "version": null, "outdated": false },
            "advertiseInfo": { "advertised": false, "originalDevPortalUrl": null,
                               "apiOwner": "admin", "vendor": "WSO2" },
            "subtypeConfiguration": { "subtype": "DEFAULT", "configuration": null },
            "visibleOrganizations": ["none"], "gatewayVendor": "wso2",
            "apiPolicies": { "request": [], "response": [], "fault": [] },
            "websubSubscriptionConfiguration": { "enable": false, "secret": "",
                "signingAlgorithm": "SHA1", "signatureHeader": "x-hub-signature" },
        });
        assert_eq!(read(whole.clone()).unwrap().len(), 7);
        for (name, value) in [
            ("advertiseInfo", json!({ "advertised": true })),
            ("advertiseInfo", json!({ "advertised": false, "originalDevPortalUrl": "https://x" })),
            ("serviceInfo", json!({ "key": "x", "outdated": false })),
            ("gatewayVendor", json!("solace")),
            ("apiPolicies", json!({ "request": [{ "policyName": "x" }] })),
        ] {
            let refused = read(json!({ name: value })).unwrap_err();
            assert!(refused.description.starts_with(&format!("`{name}`")), "{refused:?}");
        }
    }

    #[test]
    fn the_default_is_kept_and_anything_else_is_refused_by_name() {
        let good = json!({ "type": "HTTP", "visibility": "PUBLIC", "tags": ["a"], "egress": false,
                           "transport": ["https", "http"], "serviceInfo": null, "id": "x" });
        let kept = read(good.clone()).unwrap();
        assert_eq!(kept.len(), 5, "{kept:?}");
        assert_eq!(kept["tags"], good["tags"]);
        for (name, value) in [
            ("type", json!("WS")),
            ("visibility", json!("RESTRICTED")),
            ("transport", json!(["https"])),
            ("egress", json!(true)),
            ("mediationPolicies", json!([{ "name": "x" }])),
            ("tags", json!("a")),
            ("tags", json!([1])),
            ("tags", json!(["a\u{0}"])),
            ("description", json!(7)),
            ("description", json!("x".repeat(MOST_DESCRIPTION + 1))),
            ("additionalProperties", json!([{ "name": "\u{7}" }])),
        ] {
            let refused = read(json!({ name: value })).unwrap_err();
            assert!(refused.description.starts_with(&format!("`{name}`")), "{refused:?}");
        }
    }
}
