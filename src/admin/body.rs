//! Reads a body as JSON, and maps its faults to WSO2's error body.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admin::json_text::{repeated_member, told};
use crate::admin::plain_object::listed_field;
use crate::admin::refused::Refused;

/// A JSON body, or the fault in one that cannot be read, which names the field. The handler reads
/// it after it has checked the caller's scopes, so a caller without them learns nothing of the
/// form.
#[derive(Debug)]
pub(super) struct JsonBody<T>(Result<T, Refused>);

impl<T> JsonBody<T> {
    pub(super) fn read(self) -> Result<T, Refused> {
        self.0
    }
}

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let read = read::<T, S>(request, state).await;
        Ok(Self(read.and_then(|(value, body)| match listed_field::<T>(&body) {
            None => Ok(value),
            Some(field) => Err(no_object(&field)),
        })))
    }
}

fn no_object(field: &str) -> Refused {
    let description = match field {
        "" => "the body is a list; this call takes an object".to_owned(),
        field => format!("`{field}` is a list, and must be an object"),
    };
    Refused::bad_request(description)
}

/// Returns the value of a body, with the body that it was read from.
async fn read<T, S>(request: Request, state: &S) -> Result<(T, Bytes), Refused>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    let (parts, body) = request.into_parts();
    if is_of_other_charset(&parts.headers) {
        let description = "JSON is written in UTF-8; `Content-Type` names another charset";
        return Err(Refused::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, description));
    }
    let body = Bytes::from_request(Request::new(body), state).await.map_err(|_| too_long())?;
    let request = Request::from_parts(parts, Body::from(body.clone()));
    match axum::Json::<T>::from_request(request, state).await {
        Ok(axum::Json(value)) => match repeated_member(&body) {
            None => Ok((value, body)),
            Some(fault) => Err(unreadable(&fault)),
        },
        Err(JsonRejection::MissingJsonContentType(_)) => Err(Refused::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body of this call is application/json",
        )),
        Err(JsonRejection::BytesRejection(_)) => Err(too_long()),
        Err(_) => parse(body).map_err(|fault| unreadable(&fault)),
    }
}

/// Reads a part of a form that holds a JSON object.
pub(super) fn json_part<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Refused> {
    let read = parse::<T>(Bytes::copy_from_slice(text.as_bytes()));
    let (value, body) = read.map_err(|fault| Refused::bad_request(format!("`{name}`: {fault}")))?;
    match listed_field::<T>(&body) {
        None => Ok(value),
        Some(field) => Err(Refused::bad_request(format!("`{name}`: `{field}` is a list"))),
    }
}

/// Returns the value of a JSON text, with the text that it was read from.
fn parse<T: DeserializeOwned>(text: Bytes) -> Result<(T, Bytes), String> {
    if let Some(fault) = repeated_member(&text) {
        return Err(fault);
    }
    let rejection = match axum::Json::<T>::from_bytes(&text) {
        Ok(axum::Json(value)) => return Ok((value, text)),
        Err(rejection) => rejection,
    };
    if let Some(whole) = with_integers(&text)
        && let Ok(axum::Json(value)) = axum::Json::<T>::from_bytes(&whole)
    {
        return Ok((value, whole.into()));
    }
    let text = rejection.body_text();
    let fault = ["target type: ", "request body as JSON: "]
        .iter()
        .find_map(|words| text.split_once(words))
        .map_or(text.as_str(), |(_, own)| own);
    Err(told(fault))
}

fn unreadable(fault: &str) -> Refused {
    Refused::bad_request(format!("the body cannot be read: {fault}"))
}

/// Tells whether a `Content-Type` has another charset than JSON's.
fn is_of_other_charset(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|own| own.to_str().ok());
    let parameters = kind.unwrap_or_default().split(';').skip(1);
    let mut named = parameters.filter_map(|own| own.split_once('='));
    named.any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset")
            && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

fn too_long() -> Refused {
    Refused::plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB")
}

/// Writes whole numbers such as `5.0` as integers, because JSON Schema and many clients take them
/// for integers. Returns nothing for a body that is not JSON.
fn with_integers(body: &[u8]) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(body).ok()?;
    make_integers(&mut document);
    serde_json::to_vec(&document).ok()
}

fn make_integers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(integer) = number.as_f64().and_then(integer) {
                *value = Value::from(integer);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(make_integers),
        Value::Object(members) => members.values_mut().for_each(make_integers),
        _ => {}
    }
}

/// Returns a whole number that a float holds without loss.
fn integer(float: f64) -> Option<i64> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    let is_whole = float.fract() == 0.0 && float.abs() <= MOST;
    // without fraction or exponent, it is read as it is written
    is_whole.then(|| format!("{float:.0}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &str) -> Result<Vec<u64>, Refused> {
        let request = Request::builder().header("content-type", "application/json");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let Ok(list) = JsonBody::<Vec<u64>>::from_request(request, &()).await;
        list.read()
    }

    #[tokio::test]
    async fn a_list_is_no_object() {
        #[derive(Debug, serde::Deserialize)]
        struct Pair {
            _one: u64,
            _other: u64,
        }
        let read = async |body: &'static str| {
            let request = Request::builder().header("content-type", "application/json");
            let request = request.body(Body::from(body)).unwrap();
            let Ok(body) = JsonBody::<Pair>::from_request(request, &()).await;
            body.read()
        };
        assert!(read(r#"{"_one": 1, "_other": 2}"#).await.is_ok());
        let refused = read(" [1, 2]").await.unwrap_err();
        assert_eq!(
            (refused.status, refused.description.contains("a list")),
            (StatusCode::BAD_REQUEST, true)
        );
    }

    #[tokio::test]
    async fn a_list_in_a_body_is_no_object_either() {
        #[derive(Debug, serde::Deserialize)]
        struct Outer {
            _inner: Vec<Inner>,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Inner {
            _one: u64,
        }
        let read = async |body: &'static str| {
            let request = Request::builder().header("content-type", "application/json");
            let request = request.body(Body::from(body)).unwrap();
            let Ok(body) = JsonBody::<Outer>::from_request(request, &()).await;
            body.read()
        };
        assert!(read(r#"{"_inner": [{"_one": 1.0}]}"#).await.is_ok());
        let refused = read(r#"{"_inner": [[1.0]]}"#).await.unwrap_err();
        assert_eq!(refused.description, "`_inner[0]` is a list, and must be an object");
    }

    #[test]
    fn a_part_of_a_form_is_read_like_a_body() {
        #[derive(Debug, serde::Deserialize)]
        struct Pair {
            one: u64,
            _other: Option<u64>,
        }
        assert_eq!(json_part::<Pair>("pair", r#"{"one": 1.0}"#).unwrap().one, 1);
        for bad in
            [r#"{"one": 1, "one": 1}"#, r#"{"one": 1, "x": {"a": 1, "a": 2}}"#, "[1, 2]", "7", "{"]
        {
            let refused = json_part::<Pair>("pair", bad).unwrap_err();
            assert!(refused.description.starts_with("`pair`: "), "{bad}: {refused:?}");
            assert!(!refused.description.contains("Pair"), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_in_one_way() {
        let read = async |kind: &'static str, body: &'static str| {
            let request = Request::builder().header("content-type", kind);
            let request = request.body(Body::from(body)).unwrap();
            let Ok(body) =
                JsonBody::<std::collections::BTreeMap<String, u64>>::from_request(request, &())
                    .await;
            body.read().map_err(|refused| refused.status.as_u16())
        };
        let json = "application/json";
        assert!(read("application/json; charset=UTF-8", r#"{"a": 1.0}"#).await.is_ok());
        for (kind, body, status) in [
            (json, r#"{"a": 1, "a": 2}"#, 400),
            (json, r#"{"a": 1.0, "a": 2.0}"#, 400),
            ("application/json; charset=utf-16", r#"{"a": 1}"#, 415),
            ("text/json", r#"{"a": 1}"#, 415),
        ] {
            assert_eq!(read(kind, body).await, Err(status), "{kind} {body}");
        }
    }

    #[tokio::test]
    async fn a_whole_number_is_an_integer_however_it_is_written() {
        assert_eq!(read("[5, 5.0, 1e3, 18446744073709551615]").await.unwrap()[..3], [5, 5, 1000]);
        for bad in ["[5.5]", "[-1.0]", "[1e300]", "[\"5\"]", "[5.0"] {
            let refused = read(bad).await.unwrap_err();
            assert_eq!(refused.status, 400, "{bad}");
            assert!(refused.description.starts_with("the body cannot be read"), "{refused:?}");
        }
    }
}
