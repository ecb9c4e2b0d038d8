//! Reads a body as JSON, and maps what is wrong with it to WSO2's error body.

use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admin::plain_object::listed_field;
use crate::admin::refused::Refused;

/// A JSON object. The fault in one that cannot be read names the field.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

/// A JSON list.
#[derive(Debug)]
pub(super) struct JsonList<T>(pub(super) Vec<T>);

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let (value, body) = read::<T, S>(request, state).await?;
        match listed_field::<T>(&body) {
            None => Ok(Self(value)),
            Some(field) => Err(no_object(&field)),
        }
    }
}

impl<T, S> FromRequest<S> for JsonList<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let (list, body) = read::<Vec<T>, S>(request, state).await?;
        match listed_field::<Vec<T>>(&body) {
            None => Ok(Self(list)),
            Some(field) => Err(no_object(&field)),
        }
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
    let body = Bytes::from_request(Request::new(body), state).await.map_err(|_| too_long())?;
    let request = Request::from_parts(parts, Body::from(body.clone()));
    match axum::Json::<T>::from_request(request, state).await {
        Ok(axum::Json(value)) => Ok((value, body)),
        Err(JsonRejection::MissingJsonContentType(_)) => Err(Refused::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body of this call is application/json",
        )),
        Err(JsonRejection::BytesRejection(_)) => Err(too_long()),
        Err(rejection) => {
            if let Some(body) = with_integers(&body)
                && let Ok(axum::Json(value)) = axum::Json::<T>::from_bytes(&body)
            {
                return Ok((value, body.into()));
            }
            let text = rejection.body_text();
            let fault = text.rsplit_once("target type: ").map_or(text.as_str(), |(_, own)| own);
            Err(Refused::bad_request(format!("the body cannot be read: {fault}")))
        }
    }
}

fn too_long() -> Refused {
    Refused::plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB")
}

/// Writes whole numbers such as `5.0` as integers, which they are in JSON Schema and for many
/// clients. Returns nothing for a body that is no JSON.
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
        JsonList::from_request(request, &()).await.map(|JsonList(own)| own)
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
            JsonBody::<Pair>::from_request(request.body(Body::from(body)).unwrap(), &()).await
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
            JsonBody::<Outer>::from_request(request.body(Body::from(body)).unwrap(), &()).await
        };
        assert!(read(r#"{"_inner": [{"_one": 1.0}]}"#).await.is_ok());
        let refused = read(r#"{"_inner": [[1.0]]}"#).await.unwrap_err();
        assert_eq!(refused.description, "`_inner[0]` is a list, and must be an object");
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
