//! Judges a response: its status, its type, its encoding and its size. Nothing else of it is used.

use bytes::Bytes;
use http::{HeaderName, StatusCode, Uri, header};

use crate::fetch::failure::FetchFailure;
use crate::fetch::form::FormPost;
use crate::fetch::freshness::{self, Freshness};
use crate::fetch::one_request::{ContentError, OpenResponse};
use crate::model::key_manager::Fetch;

/// The type of a signed introspection answer (RFC 9701 section 5).
pub(super) const SIGNED_TYPE: &str = "application/token-introspection+jwt";

/// Characters that are kept of the reason that a server gives for its refusal.
const MOST_SAID: usize = 300;

/// Characters of a type or an encoding that are shown.
const MOST_NAMED: usize = 100;

/// A document with the time for which its server lets it be kept.
#[derive(Debug)]
pub struct Document {
    pub content: Bytes,
    pub freshness: Freshness,
    /// The end of the server's certificate, in seconds since 1970.
    pub certificate_until: Option<u64>,
}

/// The answer to a form.
#[derive(Debug)]
pub struct Posted {
    pub content: Bytes,
    /// True if the server declares a signed introspection answer.
    pub signed: bool,
    /// The end of the server's certificate, in seconds since 1970.
    pub certificate_until: Option<u64>,
}

/// Reads a document.
pub(super) async fn document(
    settings: &Fetch,
    host: &str,
    response: OpenResponse,
) -> Result<Document, FetchFailure> {
    check_redirect(host, &response)?;
    if response.status() != StatusCode::OK {
        let status = response.status().as_u16();
        return Err(FetchFailure::Status { host: host.to_owned(), status });
    }
    check_type(host, &response, false)?;
    let freshness = freshness::of(response.headers());
    let content = content(settings, host, response).await?;
    if let Some(character) = strange_beginning(&content) {
        return Err(FetchFailure::Beginning { host: host.to_owned(), character });
    }
    Ok(Document { content, freshness, certificate_until: None })
}

/// Reads a text of any type; the reader judges it.
pub(super) async fn text(
    settings: &Fetch,
    host: &str,
    response: OpenResponse,
) -> Result<Bytes, FetchFailure> {
    check_redirect(host, &response)?;
    if response.status() != StatusCode::OK {
        let status = response.status().as_u16();
        return Err(FetchFailure::Status { host: host.to_owned(), status });
    }
    check_encoding(host, &response)?;
    content(settings, host, response).await
}

/// Reads the answer to a form, or the server's reason why it did not take the form.
pub(super) async fn answer(
    settings: &Fetch,
    host: &str,
    response: OpenResponse,
    form: &FormPost<'_>,
) -> Result<Posted, FetchFailure> {
    check_redirect(host, &response)?;
    if response.status() != StatusCode::OK {
        return Err(refused(settings, host, response, form).await);
    }
    check_type(host, &response, true)?;
    let signed = content_type(&response) == SIGNED_TYPE;
    let content = content(settings, host, response).await?;
    Ok(Posted { content, signed, certificate_until: None })
}

pub(super) fn check_redirect(host: &str, response: &OpenResponse) -> Result<(), FetchFailure> {
    if !response.status().is_redirection() {
        return Ok(());
    }
    let location = field(response, &header::LOCATION).parse::<Uri>().ok();
    let location = location.and_then(|uri| uri.host().map(str::to_owned));
    Err(FetchFailure::Redirect {
        host: host.to_owned(),
        location: location.unwrap_or_else(|| "elsewhere".to_owned()),
    })
}

fn check_encoding(host: &str, response: &OpenResponse) -> Result<(), FetchFailure> {
    let encoding = field(response, &header::CONTENT_ENCODING).trim().to_ascii_lowercase();
    if matches!(encoding.as_str(), "" | "identity") {
        return Ok(());
    }
    let encoding = encoding.chars().take(MOST_NAMED).collect();
    Err(FetchFailure::Encoded { host: host.to_owned(), encoding })
}

fn check_type(host: &str, response: &OpenResponse, signed: bool) -> Result<(), FetchFailure> {
    check_encoding(host, response)?;
    let host = host.to_owned();
    let content_type = content_type(response);
    // many servers call everything text/plain; a content that is not JSON fails as JSON later
    let is_json = matches!(
        content_type.as_str(),
        "" | "application/json" | "text/plain" | "application/octet-stream"
    ) || content_type.ends_with("+json");
    if is_json || (signed && content_type == SIGNED_TYPE) {
        return Ok(());
    }
    let content_type = content_type.chars().take(MOST_NAMED).collect();
    Err(FetchFailure::ContentType { host, content_type })
}

fn content_type(response: &OpenResponse) -> String {
    let value = field(response, &header::CONTENT_TYPE);
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn field<'r>(response: &'r OpenResponse, name: &HeaderName) -> &'r str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

pub(super) async fn content(
    settings: &Fetch,
    host: &str,
    response: OpenResponse,
) -> Result<Bytes, FetchFailure> {
    let host = || host.to_owned();
    let content = response.content(limit(settings)).await.map_err(|error| match error {
        ContentError::TooLarge(_) => {
            FetchFailure::TooLarge { host: host(), limit: settings.max_document_bytes }
        }
        ContentError::BrokenOff(_) => FetchFailure::BrokenOff { host: host() },
    })?;
    let encoded =
        |encoding: &str| FetchFailure::Encoded { host: host(), encoding: encoding.into() };
    plain(content).map_err(encoded)
}

fn limit(settings: &Fetch) -> usize {
    usize::try_from(settings.max_document_bytes).unwrap_or(usize::MAX)
}

/// Returns UTF-8 without its byte order mark, or the name of the encoding that it is instead.
fn plain(content: Bytes) -> Result<Bytes, &'static str> {
    match content.as_ref() {
        [0xEF, 0xBB, 0xBF, ..] => Ok(content.slice(3..)),
        [0x1F, 0x8B, ..] => Err("gzip"),
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] => Err("UTF-16"),
        _ => Ok(content),
    }
}

/// Names the first character if no JSON begins with it. The rest is left to the parser.
fn strange_beginning(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content.get(..64.min(content.len())).unwrap_or_default());
    let first = text.trim_start_matches([' ', '\t', '\r', '\n']).chars().next()?;
    match first {
        '{' | '[' | '"' | '-' | '0'..='9' | 't' | 'f' | 'n' => None,
        _ if first.is_ascii_graphic() => Some(format!("`{first}`")),
        _ => Some(format!("the character U+{:04X}", u32::from(first))),
    }
}

/// Reads the reason for which a server refused a form, in its own words if it has some (RFC 6749
/// section 5.2).
async fn refused(
    settings: &Fetch,
    host: &str,
    response: OpenResponse,
    form: &FormPost<'_>,
) -> FetchFailure {
    let status = response.status().as_u16();
    let content = response.content(limit(settings)).await.unwrap_or_default();
    let said: serde_json::Value = serde_json::from_slice(&content).unwrap_or_default();
    let text = |name: &str| {
        let text = said.get(name)?.as_str()?;
        // the text goes to the operator's log: printable, and without quotes of the form
        let secrets = form.fields.iter().map(|(_, value)| *value).filter(|value| value.len() > 3);
        let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "..."));
        let shown = text.chars().filter(|character| !character.is_control());
        Some(shown.take(MOST_SAID).collect::<String>()).filter(|text| !text.is_empty())
    };
    let error = text("error");
    let credentials = concerns_credentials(status, error.as_deref());
    FetchFailure::Refused {
        host: host.to_owned(),
        status,
        credentials,
        error,
        description: text("error_description"),
    }
}

/// Tells whether the server refuses the gateway itself. RFC 7662 prescribes 401. Django OAuth
/// Toolkit answers 403, and Keycloak 26.7 answers 400 with `unauthorized_client` if it cannot
/// decode the credentials.
fn concerns_credentials(status: u16, error: Option<&str>) -> bool {
    matches!(status, 401 | 403) || matches!(error, Some("invalid_client" | "unauthorized_client"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_gateway_itself_is_known() {
        for (status, error, expected) in [
            (401, Some("invalid_client"), true),
            (401, Some("invalid_request"), true),
            (401, None, true),
            (403, None, true),
            (400, Some("invalid_client"), true),
            (400, Some("unauthorized_client"), true),
            (400, Some("invalid_request"), false),
            (400, None, false),
            (500, None, false),
            (503, Some("temporarily_unavailable"), false),
        ] {
            assert_eq!(concerns_credentials(status, error), expected, "{status} {error:?}");
        }
    }

    #[test]
    fn what_is_not_plain_is_named() {
        let named = |content: &'static [u8]| plain(Bytes::from_static(content));
        assert_eq!(named(b"\xEF\xBB\xBF{}").unwrap(), "{}");
        assert_eq!(named(b"{}").unwrap(), "{}");
        assert_eq!(named(b"\x1F\x8B\x08").unwrap_err(), "gzip");
        assert_eq!(named(b"\xFF\xFE{\0").unwrap_err(), "UTF-16");
        assert_eq!(strange_beginning(b" \r\n{"), None);
        assert_eq!(strange_beginning(b""), None);
        assert_eq!(strange_beginning(b"<html>").as_deref(), Some("`<`"));
        let zero_width = "\u{200b}{}".as_bytes();
        assert_eq!(strange_beginning(zero_width).as_deref(), Some("the character U+200B"));
    }
}
