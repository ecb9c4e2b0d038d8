//! Reads a body as JSON, and maps what is wrong with it to WSO2's error body.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::admin::refused::Refused;

/// A JSON body. The fault in one that cannot be read names the field.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Refused::plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body of this call is application/json",
            )),
            Err(JsonRejection::BytesRejection(_)) => {
                Err(Refused::plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 1 MiB"))
            }
            Err(rejection) => {
                let text = rejection.body_text();
                let fault = text.rsplit_once("target type: ").map_or(text.as_str(), |(_, own)| own);
                Err(Refused::bad_request(format!("the body cannot be read: {fault}")))
            }
        }
    }
}
