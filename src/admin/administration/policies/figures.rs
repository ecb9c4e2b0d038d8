//! Figures of limits: WSO2's units to those of `gateway.toml`, and back.

use serde_json::{Map, Value, json};

use crate::admin::administration::policies::body::{BurstLimit, LimitFigures, ThrottleLimit};
use crate::admin::refused::Refused;

/// The header in which a backend reports its number for `eventCount`, which WSO2 counts itself.
const EVENTS_HEADER: &str = "x-event-count";

/// The header of the built-in policies for AI models.
const TOKENS_HEADER: &str = "x-ai-total-tokens";

/// A kilobyte is 1,024 bytes, as at WSO2.
const KILOBYTE: u64 = 1024;

/// Reads a limit. `field` is named in refusals.
pub(super) fn limit(field: &str, body: &ThrottleLimit) -> Result<Map<String, Value>, Refused> {
    let refused =
        |part: &str, why: &str| Err(Refused::bad_request(format!("`{field}{part}` {why}")));
    let parts = [
        ("requestCount", &body.request_count, "REQUESTCOUNTLIMIT"),
        ("bandwidth", &body.bandwidth, "BANDWIDTHLIMIT"),
        ("eventCount", &body.event_count, "EVENTCOUNTLIMIT"),
        ("aiApiQuota", &body.ai_api_quota, "AIAPIQUOTALIMIT"),
    ];
    if !parts.iter().any(|(_, _, kind)| *kind == body.kind) {
        return refused(
            ".type",
            "is REQUESTCOUNTLIMIT, BANDWIDTHLIMIT, EVENTCOUNTLIMIT or AIAPIQUOTALIMIT",
        );
    }
    let mut own = None;
    for (name, figures, kind) in parts {
        match figures {
            Some(figures) if kind == body.kind => own = Some((name, figures)),
            // the type decides, and clients send the figures of others too
            _ => {}
        }
    }
    let Some((name, figures)) = own else {
        return refused("", "has no figures for its `type`");
    };
    let field = format!("{field}.{name}");
    let mut declared = amounts(&field, name, figures)?;
    declared.insert("per".to_owned(), json!(per(&field, figures)?));
    Ok(declared)
}

/// Refuses figures that a limit of this type does not have.
fn check_figures(field: &str, name: &str, own: &LimitFigures) -> Result<(), Refused> {
    let allowed: &[&str] = match name {
        "requestCount" => &["requestCount"],
        "bandwidth" => &["dataAmount", "dataUnit"],
        "eventCount" => &["eventCount"],
        _ => &["requestCount", "totalTokenCount"],
    };
    let written = [
        ("requestCount", own.request_count.is_some()),
        ("dataAmount", own.data_amount.is_some()),
        ("dataUnit", own.data_unit.is_some()),
        ("eventCount", own.event_count.is_some()),
        ("totalTokenCount", own.total_token_count.is_some()),
        // one count is kept for all tokens
        ("promptTokenCount", own.prompt_token_count.is_some_and(|count| count > 0)),
        ("completionTokenCount", own.completion_token_count.is_some_and(|count| count > 0)),
    ];
    match written.iter().find(|(key, is)| *is && !allowed.contains(key)) {
        Some((other, _)) => {
            Err(Refused::bad_request(format!("`{field}.{other}` has no function here")))
        }
        None => Ok(()),
    }
}

/// Reads an amount of data in bytes.
fn data_bytes(field: &str, amount: u64, unit: Option<&str>) -> Result<u64, Refused> {
    let factor = match unit.map(str::to_ascii_uppercase).as_deref() {
        Some("B") => 1,
        Some("KB") => KILOBYTE,
        Some("MB") => KILOBYTE * KILOBYTE,
        Some("GB") => KILOBYTE * KILOBYTE * KILOBYTE,
        _ => {
            return Err(Refused::bad_request(format!("`{field}.dataUnit` is KB, MB or GB")));
        }
    };
    let bytes = amount.checked_mul(factor).filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.ok_or_else(|| Refused::bad_request(format!("`{field}.dataAmount` is too large")))
}

fn amounts(field: &str, name: &str, own: &LimitFigures) -> Result<Map<String, Value>, Refused> {
    check_figures(field, name, own)?;
    let needed = |key: &str, number: Option<u64>| {
        number.filter(|number| *number > 0).ok_or_else(|| {
            Refused::bad_request(format!("`{field}.{key}` is missing, or is not more than 0"))
        })
    };
    let members = match name {
        "requestCount" => {
            json!({ "requests": needed("requestCount", own.request_count)? })
        }
        "bandwidth" => {
            let amount = needed("dataAmount", own.data_amount)?;
            json!({ "bandwidth": data_bytes(field, amount, own.data_unit.as_deref())? })
        }
        "eventCount" => json!({
            "events": needed("eventCount", own.event_count)?,
            "events_header": EVENTS_HEADER,
        }),
        _ => {
            let requests = needed("requestCount", own.request_count)?;
            match own.total_token_count.filter(|count| *count > 0) {
                None => json!({ "requests": requests }),
                Some(tokens) => json!({
                    "requests": requests,
                    "events": tokens,
                    "events_header": TOKENS_HEADER,
                }),
            }
        }
    };
    match members {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

/// Reads a window.
fn per(field: &str, figures: &LimitFigures) -> Result<String, Refused> {
    let unit = time_unit(&figures.time_unit).ok_or_else(|| {
        Refused::bad_request(format!("`{field}.timeUnit` is sec, min, hour, day or month"))
    })?;
    let number = figures.unit_time;
    match (unit, number) {
        (_, 0) => Err(Refused::bad_request(format!("`{field}.unitTime` is not more than 0"))),
        ("d", 1) => Ok("1d".to_owned()),
        ("month", 1) => Ok("1month".to_owned()),
        ("d" | "month", _) => {
            let description =
                format!("`{field}.unitTime`: a window is up to 24 hours, one day or one month");
            Err(Refused::bad_request(description))
        }
        (unit, number) => Ok(format!("{number}{unit}")),
    }
}

/// Reads a unit in any of the spellings that WSO2's code, definition and portal use.
fn time_unit(text: &str) -> Option<&'static str> {
    Some(match text.to_ascii_lowercase().as_str() {
        "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "hour" | "hours" => "h",
        "day" | "days" => "d",
        "month" | "months" => "month",
        _ => return None,
    })
}

/// Reads spike arrest; `None` if there is none.
pub(super) fn burst(field: &str, body: &BurstLimit) -> Result<Option<Value>, Refused> {
    let Some(requests) = body.rate_limit_count.filter(|count| *count > 0) else { return Ok(None) };
    let unit = body.rate_limit_time_unit.as_deref().and_then(time_unit);
    let per = match unit {
        Some("d") => "24h".to_owned(),
        Some(unit @ ("s" | "m" | "h")) => format!("1{unit}"),
        _ => {
            let description = format!("`{field}rateLimitTimeUnit` is sec, min, hour or day");
            return Err(Refused::bad_request(description));
        }
    };
    Ok(Some(json!({ "requests": requests, "per": per })))
}

/// Shows a limit of the form of `gateway.toml`; `None` if it has none.
pub(super) fn shown_limit(declared: &Map<String, Value>) -> Option<ThrottleLimit> {
    let number = |key: &str| declared.get(key).and_then(Value::as_u64);
    let (time_unit, unit_time) = shown_window(declared.get("per")?.as_str()?);
    let base = LimitFigures { time_unit, unit_time, ..LimitFigures::default() };
    let is_of_tokens = declared.get("events_header") == Some(&json!(TOKENS_HEADER));
    Some(match (number("requests"), bytes(declared.get("bandwidth")), number("events")) {
        (Some(requests), _, Some(tokens)) if is_of_tokens => ThrottleLimit {
            kind: "AIAPIQUOTALIMIT".to_owned(),
            ai_api_quota: Some(LimitFigures {
                request_count: Some(requests),
                total_token_count: Some(tokens),
                ..base
            }),
            ..ThrottleLimit::default()
        },
        (Some(requests), ..) => ThrottleLimit {
            kind: "REQUESTCOUNTLIMIT".to_owned(),
            request_count: Some(LimitFigures { request_count: Some(requests), ..base }),
            ..ThrottleLimit::default()
        },
        (None, Some(bytes), _) => {
            let megabyte = KILOBYTE * KILOBYTE;
            let (amount, unit) = match bytes {
                bytes if bytes % megabyte == 0 => (bytes / megabyte, "MB"),
                bytes if bytes % KILOBYTE == 0 => (bytes / KILOBYTE, "KB"),
                bytes => (bytes, "B"),
            };
            ThrottleLimit {
                kind: "BANDWIDTHLIMIT".to_owned(),
                bandwidth: Some(LimitFigures {
                    data_amount: Some(amount),
                    data_unit: Some(unit.to_owned()),
                    ..base
                }),
                ..ThrottleLimit::default()
            }
        }
        (None, None, events) => ThrottleLimit {
            kind: "EVENTCOUNTLIMIT".to_owned(),
            event_count: Some(LimitFigures { event_count: Some(events?), ..base }),
            ..ThrottleLimit::default()
        },
    })
}

/// Shows spike arrest.
pub(super) fn shown_burst(declared: &Map<String, Value>) -> Option<BurstLimit> {
    let burst = declared.get("burst")?;
    let (unit, number) = shown_window(burst.get("per")?.as_str()?);
    // WSO2 knows a count for one unit only: the rate of a longer time is that of its parts
    let requests = burst.get("requests")?.as_u64()? / number.max(1);
    Some(BurstLimit { rate_limit_count: Some(requests.max(1)), rate_limit_time_unit: Some(unit) })
}

/// Returns the unit in the portal's spelling, and the number of them.
fn shown_window(per: &str) -> (String, u64) {
    let digits = per.find(|character: char| !character.is_ascii_digit()).unwrap_or(per.len());
    let (number, unit) = per.split_at(digits);
    let number = number.parse().unwrap_or(1);
    let (unit, number) = match unit {
        "ms" => ("sec", (number / 1000).max(1)),
        "m" => ("min", number),
        "h" => ("hour", number),
        "d" => ("day", number),
        "month" => ("month", number),
        _ => ("sec", number),
    };
    (unit.to_owned(), number)
}

/// Reads a size of `gateway.toml`: a number, or a text with a unit.
fn bytes(size: Option<&Value>) -> Option<u64> {
    let text = match size? {
        Value::String(text) => text.as_str(),
        other => return other.as_u64(),
    };
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "KiB" => KILOBYTE,
        "MiB" => KILOBYTE * KILOBYTE,
        "GiB" => KILOBYTE * KILOBYTE * KILOBYTE,
        _ => 1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
