//! Conditional groups of advanced policies.

use std::net::IpAddr;

use http::HeaderName;
use serde_json::{Map, Value, json};

use crate::admin::administration::policies::body::{
    ClaimsCondition, ConditionalGroup, HeaderCondition, IpCondition, QueryCondition,
    ThrottleCondition,
};
use crate::admin::administration::policies::figures;
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::model::policy::AddressRange;
use crate::model::token_handling::Pattern;

/// Groups of one policy: each is compared with each request.
const MOST_GROUPS: usize = 32;

const MOST_CONDITIONS: usize = 32;

const MOST_TEXT: usize = 1024;

/// Reads groups as `conditions`.
pub(super) fn conditions(groups: &[ConditionalGroup]) -> Result<Vec<Value>, Refused> {
    if groups.len() > MOST_GROUPS {
        let description = format!("`conditionalGroups` has more than {MOST_GROUPS} groups");
        return Err(Refused::bad_request(description));
    }
    groups.iter().map(group).collect()
}

fn group(group: &ConditionalGroup) -> Result<Value, Refused> {
    let refused = |description: String| Err(Refused::bad_request(description));
    let field = "conditionalGroups.conditions";
    if group.conditions.is_empty() || group.conditions.len() > MOST_CONDITIONS {
        return refused(format!("`{field}` has no condition, or more than {MOST_CONDITIONS}"));
    }
    texts::prose(
        "conditionalGroups.description",
        group.description.as_deref().unwrap_or_default(),
        MOST_TEXT,
    )?;
    let mut declared = figures::limit("conditionalGroups.limit", &group.limit)?;
    if declared.remove("events_header").is_some() {
        return refused("`conditionalGroups.limit`: a condition counts requests or bytes".into());
    }
    let mut inverted: Vec<&str> = Vec::new();
    for condition in &group.conditions {
        let (kind, value) = read(condition)?;
        let is_there = declared.contains_key(kind);
        // an inversion applies to all conditions of one kind
        if is_there && (condition.invert_condition || inverted.contains(&kind) || kind == "ips") {
            return refused(format!(
                "`{field}`: several conditions on {kind} in one group can be neither inverted nor \
                 about addresses; make a group of each"
            ));
        }
        if condition.invert_condition {
            inverted.push(kind);
        }
        match (declared.get_mut(kind), value) {
            (Some(Value::Object(own)), Value::Object(more)) => {
                for (name, value) in more {
                    if own.insert(name, value).is_some() {
                        return refused(format!("`{field}` has one name of {kind} twice"));
                    }
                }
            }
            (_, value) => {
                declared.insert(kind.to_owned(), value);
            }
        }
    }
    if !inverted.is_empty() {
        declared.insert("invert".to_owned(), json!(inverted));
    }
    Ok(Value::Object(declared))
}

/// Returns the key of a condition and its value.
fn read(condition: &ThrottleCondition) -> Result<(&'static str, Value), Refused> {
    let missing = |part: &str| {
        let field = format!("conditionalGroups.conditions.{part}");
        Refused::bad_request(format!("`{field}` is missing"))
    };
    let pair = |part: &str, name: &str, value: &str| {
        let field = format!("conditionalGroups.conditions.{part}");
        texts::name(&field, name, MOST_TEXT)?;
        texts::prose(&field, value, MOST_TEXT)?;
        if Pattern::new(value).is_err() {
            let description = format!("`{field}` has a value that is no regular expression");
            return Err(Refused::bad_request(description));
        }
        Ok::<_, Refused>(json!({ name: value }))
    };
    Ok(match condition.kind.as_str() {
        "HEADERCONDITION" => {
            let part = "headerCondition";
            let own = condition.header_condition.as_ref().ok_or_else(|| missing(part))?;
            if HeaderName::try_from(own.header_name.as_str()).is_err() {
                let field = format!("`conditionalGroups.conditions.{part}.headerName`");
                return Err(Refused::bad_request(format!("{field} is no name of a header")));
            }
            ("headers", pair(part, &own.header_name.to_ascii_lowercase(), &own.header_value)?)
        }
        "QUERYPARAMETERCONDITION" => {
            let part = "queryParameterCondition";
            let own = condition.query_parameter_condition.as_ref().ok_or_else(|| missing(part))?;
            ("query", pair(part, &own.parameter_name, &own.parameter_value)?)
        }
        "JWTCLAIMSCONDITION" => {
            let part = "jwtClaimsCondition";
            let own = condition.jwt_claims_condition.as_ref().ok_or_else(|| missing(part))?;
            ("claims", pair(part, &own.claim_url, &own.attribute)?)
        }
        "IPCONDITION" => {
            let part = "ipCondition";
            let own = condition.ip_condition.as_ref().ok_or_else(|| missing(part))?;
            ("ips", json!([range(own)?]))
        }
        _ => {
            return Err(Refused::bad_request(
                "`conditionalGroups.conditions.type` is HEADERCONDITION, IPCONDITION, \
                 JWTCLAIMSCONDITION or QUERYPARAMETERCONDITION",
            ));
        }
    })
}

fn range(own: &IpCondition) -> Result<String, Refused> {
    let field = "conditionalGroups.conditions.ipCondition";
    let text = |part: &str, text: &Option<String>| {
        let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let text =
            text.ok_or_else(|| Refused::bad_request(format!("`{field}.{part}` is missing")))?;
        text.parse::<IpAddr>()
            .map_err(|_| Refused::bad_request(format!("`{field}.{part}` is no address")))
    };
    match own.kind.as_deref() {
        // a file can hold a network
        Some("IPSPECIFIC") => match own.specific.as_deref().and_then(|own| own.split_once('/')) {
            Some((first, bits)) if bits.parse::<u8>().is_ok() => {
                Ok(format!("{}/{bits}", text("specificIP", &Some(first.to_owned()))?))
            }
            _ => Ok(text("specificIP", &own.specific)?.to_string()),
        },
        Some("IPRANGE") => {
            let (first, last) =
                (text("startingIP", &own.starting)?, text("endingIP", &own.ending)?);
            if AddressRange::new(first, last).is_none() {
                let description = format!("`{field}.endingIP` is before `startingIP`");
                return Err(Refused::bad_request(description));
            }
            Ok(format!("{first}-{last}"))
        }
        _ => {
            let description = format!("`{field}.ipConditionType` is IPSPECIFIC or IPRANGE");
            Err(Refused::bad_request(description))
        }
    }
}

/// Shows `conditions` as groups.
pub(super) fn shown(declared: &Map<String, Value>) -> Vec<ConditionalGroup> {
    let all = declared.get("conditions").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_object).filter_map(shown_group).collect()
}

fn shown_group(declared: &Map<String, Value>) -> Option<ConditionalGroup> {
    let inverted = |kind: &str| {
        let list = declared.get("invert").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|own| own == kind))
    };
    let pairs = |kind: &str| -> Vec<(String, String)> {
        let table = declared.get(kind).and_then(Value::as_object).into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        table.map(|(name, value)| (name.clone(), text(value))).collect()
    };
    let blank = |kind: &str, key: &str| ThrottleCondition {
        kind: kind.to_owned(),
        invert_condition: inverted(key),
        ..ThrottleCondition::default()
    };
    let mut conditions = Vec::new();
    for (header_name, header_value) in pairs("headers") {
        let header_condition = Some(HeaderCondition { header_name, header_value });
        let blank = blank("HEADERCONDITION", "headers");
        conditions.push(ThrottleCondition { header_condition, ..blank });
    }
    for (parameter_name, parameter_value) in pairs("query") {
        let own = Some(QueryCondition { parameter_name, parameter_value });
        let blank = blank("QUERYPARAMETERCONDITION", "query");
        conditions.push(ThrottleCondition { query_parameter_condition: own, ..blank });
    }
    for (claim_url, attribute) in pairs("claims") {
        let own = Some(ClaimsCondition { claim_url, attribute });
        let blank = blank("JWTCLAIMSCONDITION", "claims");
        conditions.push(ThrottleCondition { jwt_claims_condition: own, ..blank });
    }
    let ranges = declared.get("ips").and_then(Value::as_array).into_iter().flatten();
    for range in ranges.filter_map(Value::as_str) {
        let ip_condition = Some(shown_range(range));
        conditions.push(ThrottleCondition { ip_condition, ..blank("IPCONDITION", "ips") });
    }
    let limit = figures::shown_limit(declared)?;
    Some(ConditionalGroup { description: None, conditions, limit })
}

fn shown_range(range: &str) -> IpCondition {
    match range.split_once('-') {
        Some((first, last)) => IpCondition {
            kind: Some("IPRANGE".to_owned()),
            starting: Some(first.trim().to_owned()),
            ending: Some(last.trim().to_owned()),
            ..IpCondition::default()
        },
        None => IpCondition {
            kind: Some("IPSPECIFIC".to_owned()),
            specific: Some(range.to_owned()),
            ..IpCondition::default()
        },
    }
}
