//! One call to a server's API, in JSON or as a form, and its answer.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

use crate::fetch::{ApiCall, ApiReply, FetchUrl, ask, form_encoded};
use crate::model::key_manager::Fetch;
use crate::model::secret::Secret;
use crate::registration::failure::RegistrationFailure;

/// The most characters that are kept of a server's message.
const MOST_SAID: usize = 300;

/// The shortest text that counts as a secret: a shorter one occurs in harmless messages.
const SHORTEST_SECRET: usize = 4;

/// A call with everything that its answer must not be shown with.
pub(super) struct ServerCall<'c> {
    pub(super) method: Method,
    pub(super) url: &'c str,
    pub(super) authorization: Option<&'c HeaderValue>,
    pub(super) body: CallBody<'c>,
    /// Secrets that a server may quote, and that must not be shown.
    pub(super) secrets: Vec<&'c Secret>,
}

pub(super) enum CallBody<'c> {
    None,
    Json(&'c Value),
    Form(&'c [(&'c str, &'c str)]),
}

/// Calls a server that answers with an object, or with nothing.
pub(super) async fn call(
    settings: &Fetch,
    call: ServerCall<'_>,
) -> Result<Map<String, Value>, RegistrationFailure> {
    let url = call.url;
    match call_any(settings, call).await? {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Map::new()),
        _ => Err(RegistrationFailure::unreadable(url, "it is no JSON object")),
    }
}

/// Calls a server. Statuses other than 2xx are failures, with the server's own reason.
pub(super) async fn call_any(
    settings: &Fetch,
    call: ServerCall<'_>,
) -> Result<Value, RegistrationFailure> {
    let content = match call.body {
        CallBody::None => None,
        CallBody::Json(value) => Some(("application/json", Bytes::from(value.to_string()))),
        CallBody::Form(fields) => Some(("application/x-www-form-urlencoded", form(fields))),
    };
    let request = ApiCall { method: call.method, authorization: call.authorization, content };
    let ApiReply { status, content } = ask(settings, call.url, request).await?;
    let json: Option<Value> = serde_json::from_slice(&content).ok();
    if !status.is_success() {
        let host = FetchUrl::read(call.url).map(|url| url.host().to_owned()).unwrap_or_default();
        let members = json.as_ref().and_then(Value::as_object);
        return Err(refused(host, status, members.unwrap_or(&Map::new()), &call.secrets));
    }
    match json {
        Some(value) => Ok(value),
        None if content.iter().all(u8::is_ascii_whitespace) => Ok(Value::Null),
        None => Err(RegistrationFailure::unreadable(call.url, "it is no JSON object")),
    }
}

fn form(fields: &[(&str, &str)]) -> Bytes {
    let pair =
        |(name, value): &(&str, &str)| format!("{}={}", form_encoded(name), form_encoded(value));
    Bytes::from(fields.iter().map(pair).collect::<Vec<_>>().join("&"))
}

/// Reads the reason in the members of RFC 6749 and RFC 7591, or in those of WSO2's own errors.
fn refused(
    host: String,
    status: StatusCode,
    said: &Map<String, Value>,
    secrets: &[&Secret],
) -> RegistrationFailure {
    let text = |names: &[&str]| {
        let text = names.iter().find_map(|name| said.get(*name)?.as_str())?;
        let hidden = secrets.iter().map(|secret| secret.reveal());
        let text = hidden
            .filter(|secret| secret.len() >= SHORTEST_SECRET)
            .fold(text.to_owned(), |text, secret| text.replace(secret, "..."));
        let shown = text.chars().filter(|character| !character.is_control());
        Some(shown.take(MOST_SAID).collect::<String>()).filter(|text| !text.is_empty())
    };
    RegistrationFailure::Refused {
        host,
        status: status.as_u16(),
        error: text(&["error", "code"]),
        description: text(&["error_description", "description", "message"]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reason_is_told_without_what_was_sent() {
        let said = json!({
            "error": "invalid_redirect_uri",
            "error_description": "not with s3cr3t-token\u{7} please",
        });
        let secret = Secret::new("s3cr3t-token".to_owned());
        let members = said.as_object().unwrap();
        let told = refused("is.example".to_owned(), StatusCode::BAD_REQUEST, members, &[&secret]);
        assert!(told.is_of_the_request() && !told.is_gone());
        let told = told.to_string();
        assert!(told.contains("is.example answered 400 (invalid_redirect_uri"), "{told}");
        assert!(!told.contains("s3cr3t") && !told.contains('\u{7}'), "{told}");
        let gone = refused("is".to_owned(), StatusCode::UNAUTHORIZED, &Map::new(), &[]);
        assert!(gone.is_gone());
        assert_eq!(gone.to_string(), "is answered 401");
    }
}
