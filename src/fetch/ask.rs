//! Calls of a server's API, in which every status has a meaning.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};

use crate::fetch::address::FetchUrl;
use crate::fetch::client::{begun, finished, open, within};
use crate::fetch::document::{check_redirect, content};
use crate::fetch::failure::FetchFailure;
use crate::model::key_manager::Fetch;

/// A call, with the credentials of its sender.
#[derive(Debug, Clone)]
pub struct ApiCall<'c> {
    pub method: Method,
    pub authorization: Option<&'c HeaderValue>,
    /// The type and the bytes of the body, if there is one.
    pub content: Option<(&'static str, Bytes)>,
}

/// The answer to a call, whatever its status.
#[derive(Debug)]
pub struct ApiReply {
    pub status: StatusCode,
    pub content: Bytes,
}

/// Calls a server and returns its answer. A redirect is a failure: credentials go nowhere else.
pub async fn ask(settings: &Fetch, url: &str, call: ApiCall<'_>) -> Result<ApiReply, FetchFailure> {
    let url = FetchUrl::permitted(settings, url)?;
    let asking = async {
        let (response, _) = open(settings, &url, |proxy| {
            let mut request = begun(&url, proxy, call.method.clone());
            request = request.header(header::ACCEPT, "application/json");
            if let Some(authorization) = call.authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let (content_type, body) = call.content.clone().unwrap_or_default();
            if !content_type.is_empty() {
                request = request.header(header::CONTENT_TYPE, content_type);
            }
            finished(&url, request, body)
        })
        .await?;
        check_redirect(url.host(), &response)?;
        let status = response.status();
        let content = content(settings, url.host(), response).await?;
        Ok(ApiReply { status, content })
    };
    within(settings, &url, asking).await
}
