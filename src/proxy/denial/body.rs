//! Writes the body of an answer in the format that the client reads.

use bytes::Bytes;
use serde::Serialize;

use crate::proxy::denial::format::ReplyFormat;
use crate::proxy::denial::reply::DenialReply;
use crate::proxy::denial::row::{FaultFamily, Row};

const STATUS_REPORT: &str = "Status report";

/// Returns the content type and the body.
pub(super) fn write(row: &Row, refusal: &DenialReply<'_>) -> (&'static str, Bytes) {
    match refusal.format {
        ReplyFormat::Wso2 | ReplyFormat::Grpc => ("application/json", wso2(row, refusal)),
        ReplyFormat::Problem => ("application/problem+json", problem(row, refusal)),
        ReplyFormat::ApplicationXml => ("application/xml", xml(row)),
        ReplyFormat::TextXml => ("text/xml", xml(row)),
    }
}

#[derive(Serialize)]
struct Fault<'a> {
    code: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    message: &'static str,
    description: &'a str,
    #[serde(rename = "nextAccessTime", skip_serializing_if = "Option::is_none")]
    next_access: Option<&'a str>,
}

fn wso2(row: &Row, refusal: &DenialReply<'_>) -> Bytes {
    let kind = match row.family {
        FaultFamily::Security | FaultFamily::Throttling => None,
        FaultFamily::Status => Some(STATUS_REPORT),
    };
    json(&Fault {
        code: row.code,
        kind,
        message: row.message,
        description: &row.description,
        next_access: refusal.next_access,
    })
}

/// RFC 9457, with WSO2's code and the denial's id as extension members.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    denial: &'a str,
}

fn problem(row: &Row, refusal: &DenialReply<'_>) -> Bytes {
    json(&ProblemDetails {
        kind: format!("urn:portcullis:error:{}", row.code),
        title: row.message.trim_end(),
        status: row.status.as_u16(),
        detail: refusal.why.unwrap_or(&row.description).trim_end(),
        code: row.code,
        denial: refusal.id.to_str().unwrap_or_default(),
    })
}

fn json(body: &impl Serialize) -> Bytes {
    // strings and numbers only: nothing here can fail to be written
    serde_json::to_vec(body).unwrap_or_default().into()
}

fn xml(row: &Row) -> Bytes {
    let (prefix, namespace) = match row.family {
        FaultFamily::Security => ("ams", "http://wso2.org/apimanager/security"),
        FaultFamily::Throttling => ("amt", "http://wso2.org/apimanager/throttling"),
        FaultFamily::Status => ("am", "http://wso2.org/apimanager"),
    };
    let element =
        |name: &str, text: &str| format!("<{prefix}:{name}>{}</{prefix}:{name}>", escape(text));
    let kind = match row.family {
        FaultFamily::Security | FaultFamily::Throttling => String::new(),
        FaultFamily::Status => element("type", STATUS_REPORT),
    };
    let (code, message) = (element("code", row.code), element("message", row.message));
    let description = element("description", &row.description);
    format!("<{prefix}:fault xmlns:{prefix}=\"{namespace}\">{code}{kind}{message}{description}</{prefix}:fault>").into()
}

/// Escapes a text. Characters that XML 1.0 cannot carry are left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{FFFE}' | '\u{FFFF}' => {}
            _ if character.is_control() => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_carries_any_text() {
        assert_eq!(
            escape("<a href=\"x\">'&'</a>\u{0}\u{1b}\u{FFFF}é"),
            "&lt;a href=&quot;x&quot;&gt;&apos;&amp;&apos;&lt;/a&gt;é"
        );
    }
}
