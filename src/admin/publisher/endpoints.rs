//! Reads `endpointConfig` and `maxTps` into the backends of `gateway.toml`, and back.

use serde_json::{Map, Value, json};

use crate::admin::json_text::told;
use crate::admin::publisher::body::{ApiEndpointBody, EndpointConfigBody, MaxTpsBody};
use crate::admin::publisher::fields::only;
use crate::admin::refused::Refused;
use crate::store::Record;

/// WSO2's only algorithm that has a counterpart.
const ROUND_ROBIN: &str = "org.apache.synapse.endpoints.algorithms.RoundRobin";

/// The most addresses of one backend.
const MOST_ADDRESSES: usize = 100;

/// The backends, by their keys in `gateway.toml`.
const BACKENDS: [&str; 2] = ["production", "sandbox"];

/// The keys of a backend that WSO2's form has. All others came with an import, and stay.
const SAID: [&str; 2] = ["urls", "failover"];

/// The `config` that WSO2's publisher writes with an address where nothing is chosen; its members
/// without a value are left out.
const PLAIN_CONFIG: &str = r#"{"actionDuration":"30000","actionSelect":"fault"}"#;

/// The key of [`Record::extra`] for members of addresses that say nothing here.
const PLAIN_MEMBERS: &str = "endpointMembers";

/// Units of `maxTps`, with their lengths in `gateway.toml`.
const UNITS: [(&str, &str); 3] = [("SECOND", "1s"), ("MINUTE", "1m"), ("HOUR", "1h")];

/// Backends as they will be kept, and their addresses with the fields that hold them.
#[derive(Debug, Default)]
pub(super) struct BackendsDraft {
    pub(super) declared: Map<String, Value>,
    pub(super) addresses: Vec<(String, String)>,
    /// By address: members that say nothing here, which are given back as they were written.
    plain: Map<String, Value>,
}

pub(super) fn draft(config: EndpointConfigBody) -> Result<BackendsDraft, Refused> {
    match config.endpoint_type.as_deref() {
        None | Some("" | "http" | "address" | "load_balance" | "failover") => {}
        Some(_) => {
            return Err(Refused::bad_request(
                "`endpointConfig.endpoint_type` is http, load_balance or failover",
            ));
        }
    }
    check_balance(&config)?;
    let mut draft = BackendsDraft::default();
    let sides = [
        ("production", config.production_endpoints, config.production_failovers),
        ("sandbox", config.sandbox_endpoints, config.sandbox_failovers),
    ];
    for (key, endpoints, failovers) in sides {
        let urls = addresses(&format!("{key}_endpoints"), endpoints, &mut draft)?;
        let failover = addresses(&format!("{key}_failovers"), failovers, &mut draft)?;
        if urls.is_empty() {
            if !failover.is_empty() {
                let description =
                    format!("`endpointConfig.{key}_failovers` needs `{key}_endpoints`");
                return Err(Refused::bad_request(description));
            }
            continue;
        }
        let mut backend = Map::from_iter([("urls".to_owned(), json!(urls))]);
        if !failover.is_empty() {
            backend.insert("failover".to_owned(), json!(failover));
        }
        draft.declared.insert(key.to_owned(), Value::Object(backend));
    }
    if draft.declared.is_empty() {
        let message = "Endpoint URL(s) is(are) not valid";
        return Err(Refused::new(
            http::StatusCode::BAD_REQUEST,
            900_346,
            message,
            "`endpointConfig` has no address in `production_endpoints` or `sandbox_endpoints`",
        ));
    }
    Ok(draft)
}

fn check_balance(config: &EndpointConfigBody) -> Result<(), Refused> {
    for (field, class) in
        [("algoCombo", &config.algo_combo), ("algoClassName", &config.algo_class_name)]
    {
        if !matches!(class.as_deref(), None | Some("" | ROUND_ROBIN)) {
            let description = format!("`endpointConfig.{field}` can be {ROUND_ROBIN} only");
            return Err(Refused::bad_request(description));
        }
    }
    if !matches!(config.session_management.as_deref(), None | Some("" | "none")) {
        let description = "`endpointConfig.sessionManagement`: there are no sessions here";
        return Err(Refused::bad_request(description));
    }
    // without sessions and with health of targets, none of their values has an effect
    let _ = (&config.session_time_out, &config.fail_over);
    let none = ["{}", "[]"];
    let security = config.endpoint_security.as_ref().unwrap_or(&Value::Null);
    let sides = security.as_object().into_iter().flatten();
    let off = |side: &Value| {
        side.is_null()
            || side.get("enabled") == Some(&json!(false))
            || side.get("type").is_some_and(|kind| kind == "NONE" || kind.is_null())
    };
    if sides.clone().count() > 0 && sides.map(|(_, side)| side).all(off) {
        return Ok(());
    }
    only("endpointConfig.endpoint_security", security, &none)
}

fn addresses(
    name: &str,
    value: Option<Value>,
    draft: &mut BackendsDraft,
) -> Result<Vec<String>, Refused> {
    let field = format!("endpointConfig.{name}");
    let list = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(Value::Object(members)) if members.is_empty() => Vec::new(),
        Some(one) => vec![one],
    };
    if list.len() > MOST_ADDRESSES {
        let description = format!("`{field}` has more than {MOST_ADDRESSES} addresses");
        return Err(Refused::bad_request(description));
    }
    let mut urls = Vec::with_capacity(list.len());
    for value in list {
        let endpoint: ApiEndpointBody = serde_json::from_value(value).map_err(|fault| {
            Refused::bad_request(format!("`{field}`: {}", told(&fault.to_string())))
        })?;
        check(&field, &endpoint)?;
        let url = endpoint.url.trim().to_owned();
        draft.addresses.push((format!("{field}.url"), url.clone()));
        let plain = endpoint.plain();
        if !plain.is_empty() {
            draft.plain.insert(url.clone(), Value::Object(plain));
        }
        urls.push(url);
    }
    Ok(urls)
}

fn check(field: &str, endpoint: &ApiEndpointBody) -> Result<(), Refused> {
    if !matches!(endpoint.endpoint_type.as_deref(), None | Some("" | "http" | "https" | "address"))
    {
        return Err(Refused::bad_request(format!("`{field}.endpoint_type` is http")));
    }
    if endpoint.template_not_supported == Some(true) {
        let description = format!("`{field}.template_not_supported` can be false only");
        return Err(Refused::bad_request(description));
    }
    let loose = [
        ("config", &endpoint.config),
        ("attributes", &endpoint.attributes),
        ("timeout", &endpoint.timeout),
    ];
    loose.into_iter().try_for_each(|(name, value)| {
        let Some(value) = value else { return Ok(()) };
        let field = format!("{field}.{name}");
        match name {
            "config" => only(&field, value, &["{}", PLAIN_CONFIG]),
            _ => only(&field, value, &["{}", "[]", "\"\""]),
        }
    })
}

impl BackendsDraft {
    /// Keeps the members that say nothing here.
    pub(super) fn keep_plain(&mut self, extra: &mut Map<String, Value>) {
        if !self.plain.is_empty() {
            let plain = Value::Object(std::mem::take(&mut self.plain));
            extra.insert(PLAIN_MEMBERS.to_owned(), plain);
        }
    }
}

/// Puts the limits of `maxTps` into the backends.
pub(super) fn limit(draft: &mut BackendsDraft, limits: &MaxTpsBody) -> Result<(), Refused> {
    if let Some(tokens) = &limits.token_based_throttling_configuration {
        let field = "maxTps.tokenBasedThrottlingConfiguration";
        only(field, tokens, &["{}", "{\"isTokenBasedThrottlingEnabled\":false}"])?;
    }
    let sides = [
        ("production", limits.production, &limits.production_time_unit),
        ("sandbox", limits.sandbox, &limits.sandbox_time_unit),
    ];
    for (key, most, unit) in sides {
        let unit = unit.as_deref().filter(|unit| !unit.is_empty()).unwrap_or("SECOND");
        let Some((_, per)) = UNITS.iter().find(|(own, _)| *own == unit) else {
            let description = format!("`maxTps.{key}TimeUnit` is SECOND, MINUTE or HOUR");
            return Err(Refused::bad_request(description));
        };
        let Some(most) = most else { continue };
        let Some(Value::Object(backend)) = draft.declared.get_mut(key) else {
            let description = format!("`maxTps.{key}` needs `endpointConfig.{key}_endpoints`");
            return Err(Refused::bad_request(description));
        };
        backend.insert("hard_limit".to_owned(), json!({ "requests": most, "per": per }));
    }
    Ok(())
}

/// Adds to new backends the settings of the old ones that WSO2's form cannot express.
pub(super) fn keep_unsaid(new: &mut Map<String, Value>, old: &Map<String, Value>) {
    for key in BACKENDS {
        let (Some(Value::Object(new)), Some(Value::Object(old))) = (new.get_mut(key), old.get(key))
        else {
            continue;
        };
        for list in ["urls", "failover"] {
            keep_weights(new.get_mut(list), old.get(list));
        }
        for (name, value) in old {
            let said = match name.as_str() {
                "hard_limit" => unit(value).is_some(),
                name => SAID.contains(&name),
            };
            if !said {
                new.entry(name).or_insert_with(|| value.clone());
            }
        }
    }
}

/// An address that was written with its weight keeps it.
fn keep_weights(new: Option<&mut Value>, old: Option<&Value>) {
    let (Some(Value::Array(new)), Some(Value::Array(old))) = (new, old) else { return };
    for own in new {
        if let Some(weighted) = old.iter().find(|old| old.get("url") == Some(own)) {
            *own = weighted.clone();
        }
    }
}

/// Returns WSO2's unit of a limit; `None` if WSO2's form cannot express it.
fn unit(limit: &Value) -> Option<&'static str> {
    let per = limit.get("per").and_then(Value::as_str)?;
    UNITS.iter().find(|(_, own)| *own == per).map(|(unit, _)| *unit)
}

/// Shows the backends in WSO2's form.
pub(super) fn shown(record: &Record) -> Value {
    let backend = |key: &str| record.declared.get(key).and_then(Value::as_object);
    let plain = record.extra.get(PLAIN_MEMBERS).and_then(Value::as_object);
    let (mut shown, mut several, mut failing_over) = (Map::new(), false, false);
    for key in BACKENDS {
        let Some(backend) = backend(key) else { continue };
        let mut urls = endpoints(backend.get("urls"), plain);
        several |= urls.len() > 1;
        let urls = if urls.len() == 1 { urls.swap_remove(0) } else { Value::Array(urls) };
        shown.insert(format!("{key}_endpoints"), urls);
        let failover = endpoints(backend.get("failover"), plain);
        if !failover.is_empty() {
            failing_over = true;
            shown.insert(format!("{key}_failovers"), Value::Array(failover));
        }
    }
    let kind = match (failing_over, several) {
        (true, _) => "failover",
        (false, true) => "load_balance",
        (false, false) => "http",
    };
    shown.insert("endpoint_type".to_owned(), json!(kind));
    if kind == "load_balance" {
        shown.insert("algoCombo".to_owned(), json!(ROUND_ROBIN));
    }
    Value::Object(shown)
}

/// An address is written by itself, or with its weight.
fn endpoints(list: Option<&Value>, plain: Option<&Map<String, Value>>) -> Vec<Value> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let url =
        |own: &Value| own.as_str().or(own.get("url").and_then(Value::as_str)).map(str::to_owned);
    let members = |url: &str| plain.and_then(|own| own.get(url)).and_then(Value::as_object);
    let whole = |url: String| {
        let mut shown = members(&url).cloned().unwrap_or_default();
        shown.insert("url".to_owned(), json!(url));
        Value::Object(shown)
    };
    list.filter_map(url).map(whole).collect()
}

/// Shows the limits of backends; `null` if there are none.
pub(super) fn limits_shown(record: &Record) -> Value {
    let mut shown = Map::new();
    for key in BACKENDS {
        let limit = record.declared.get(key).and_then(|backend| backend.get("hard_limit"));
        let Some(limit) = limit else { continue };
        let Some(unit) = unit(limit) else { continue };
        shown.insert(key.to_owned(), limit.get("requests").cloned().unwrap_or_default());
        shown.insert(format!("{key}TimeUnit"), json!(unit));
    }
    if shown.is_empty() { Value::Null } else { Value::Object(shown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: Value) -> Result<BackendsDraft, Refused> {
        draft(serde_json::from_value(config).unwrap())
    }

    #[test]
    fn backends_are_read_and_given_back() {
        for config in [
            json!({ "endpoint_type": "http", "production_endpoints": { "url": "https://a/b" } }),
            json!({ "endpoint_type": "http", "sandbox_endpoints": { "url": "http://a" } }),
            json!({ "endpoint_type": "load_balance", "algoCombo": ROUND_ROBIN,
                    "production_endpoints": [{ "url": "http://a" }, { "url": "http://b" }] }),
            json!({ "endpoint_type": "failover", "production_endpoints": { "url": "http://a" },
                    "production_failovers": [{ "url": "http://b" }] }),
        ] {
            let read = read(config.clone()).unwrap();
            let mut record = Record::new(crate::store::Kind::Api, uuid::Uuid::nil(), "a:1");
            record.declared = read.declared;
            assert_eq!(shown(&record), config);
        }
    }

    #[test]
    fn what_wso2s_publisher_writes_with_an_address_is_given_back() {
        let plain = json!({
            "actionDuration": "30000", "actionSelect": "fault", "factor": "", "retryDelay": "",
            "retryErroCode": [], "retryTimeOut": "", "suspendDuration": "", "suspendErrorCode": [],
            "suspendMaxDuration": "",
        });
        let config = json!({
            "endpoint_type": "http",
            "production_endpoints": {
                "url": "http://a", "template_not_supported": false, "config": plain,
            },
            "sandbox_endpoints": { "url": "http://b", "endpoint_type": "http" },
        });
        let mut read = read(config.clone()).unwrap();
        let mut record = Record::new(crate::store::Kind::Api, uuid::Uuid::nil(), "a:1");
        read.keep_plain(&mut record.extra);
        record.declared = read.declared;
        assert_eq!(shown(&record), config);
    }

    #[test]
    fn odd_backends_are_refused_by_name() {
        let with = |field: &str, value: Value| {
            let mut config = json!({ "production_endpoints": { "url": "http://a" } });
            config[field] = value;
            config
        };
        for (field, config) in [
            ("production_endpoints", json!({})),
            ("production_endpoints", with("production_endpoints", json!([]))),
            ("production_endpoints", with("production_endpoints", json!("http://a"))),
            ("production_endpoints", with("production_endpoints", json!({ "url": 1 }))),
            ("endpoint_type", with("endpoint_type", json!("awslambda"))),
            ("algoCombo", with("algoCombo", json!("x.Weighted"))),
            ("sessionManagement", with("sessionManagement", json!("http"))),
            (
                "endpoint_security",
                with("endpoint_security", json!({ "production": { "type": "BASIC" } })),
            ),
            ("odd", with("sandbox_endpoints", json!({ "url": "http://a", "odd": 1 }))),
            (
                "config",
                with("sandbox_endpoints", json!({ "url": "http://a", "config": { "factor": 2 } })),
            ),
            ("sandbox_failovers", with("sandbox_failovers", json!([{ "url": "http://a" }]))),
        ] {
            let refused = read(config).unwrap_err();
            assert!(refused.description.contains(field), "{field}: {refused:?}");
        }
        let off = json!({ "production": { "enabled": false, "password": null } });
        read(with("endpoint_security", off)).unwrap();
    }

    #[test]
    fn limits_have_units() {
        let mut backends = read(json!({ "production_endpoints": { "url": "http://a" } })).unwrap();
        let body = |value: Value| serde_json::from_value::<MaxTpsBody>(value).unwrap();
        limit(&mut backends, &body(json!({ "production": 5, "productionTimeUnit": "MINUTE" })))
            .unwrap();
        let limited = &backends.declared["production"]["hard_limit"];
        assert_eq!(*limited, json!({ "requests": 5, "per": "1m" }));
        for odd in [json!({ "productionTimeUnit": "DAY" }), json!({ "sandbox": 5 })] {
            assert!(limit(&mut backends, &body(odd)).is_err());
        }
    }
}
