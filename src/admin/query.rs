//! Query parameters, with faults in WSO2's error body.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::admin::refused::Refused;

/// The parameters of a call. Others that a client sends are not read.
#[derive(Debug)]
pub(super) struct Parameters<T>(pub(super) T);

impl<T, S> FromRequestParts<S> for Parameters<T>
where
    T: DeserializeOwned,
    S: Sync,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refused> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let fault = text.rsplit_once(": ").map_or(text.as_str(), |(_, fault)| fault);
                Err(Refused::bad_request(format!("the query cannot be read: {fault}")))
            }
        }
    }
}
