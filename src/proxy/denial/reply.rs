//! A denial before it is written: its reason, and the facts that an answer can include.

use http::{HeaderValue, Method};

use crate::model::api::Api;
use crate::model::names::Scope;
use crate::model::reason::Reason;
use crate::proxy::denial::format::ReplyFormat;

/// A refused request, with the facts that were known when it was refused.
#[derive(Debug, Clone, Copy)]
pub struct DenialReply<'a> {
    pub reason: Reason,
    /// The request id, which the access log repeats.
    pub id: &'a HeaderValue,
    pub method: &'a Method,
    pub format: ReplyFormat,
    pub api: Option<RefusingApi<'a>>,
    /// The template of the operation.
    pub template: Option<&'a str>,
    /// The scopes of the operation; any one of them is enough.
    pub scopes: &'a [Scope],
    /// The methods that the path is served for.
    pub allowed: &'a [Method],
    /// The sentence for the developer of the client.
    pub why: Option<&'a str>,
    /// Seconds after which it is worth trying again.
    pub retry_after: Option<u32>,
    /// The time from which a throttled request is accepted again, in WSO2's format.
    pub next_access: Option<&'a str>,
}

/// The API that refuses, as its clients know it.
#[derive(Debug, Clone, Copy)]
pub struct RefusingApi<'a> {
    pub base_path: &'a str,
    pub version: &'a str,
    /// The header that carries the token.
    pub authorization_header: &'a str,
}

impl<'a> DenialReply<'a> {
    /// Starts from a reason, with nothing known of the route.
    pub fn new(
        reason: Reason,
        id: &'a HeaderValue,
        method: &'a Method,
        format: ReplyFormat,
    ) -> Self {
        Self {
            reason,
            id,
            method,
            format,
            api: None,
            template: None,
            scopes: &[],
            allowed: &[],
            why: None,
            retry_after: None,
            next_access: None,
        }
    }
}

impl<'a> From<&'a Api> for RefusingApi<'a> {
    fn from(api: &'a Api) -> Self {
        Self {
            base_path: &api.base_path,
            version: api.version.as_str(),
            authorization_header: &api.authorization_header,
        }
    }
}
