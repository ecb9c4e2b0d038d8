//! A client that somebody made at the authorization server, before it is mapped to an application.

use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use http::StatusCode;
use serde_json::Value;

/// What a caller says about the client.
#[derive(Debug)]
pub(in crate::admin) struct ExistingClient<'c> {
    pub(in crate::admin) key_manager: &'c Object,
    pub(in crate::admin) consumer_key: &'c str,
    /// Never kept.
    pub(in crate::admin) consumer_secret: Option<&'c str>,
}

/// What the authorization server says about it.
#[derive(Debug, Default)]
pub(in crate::admin) struct ClientFacts {
    pub(in crate::admin) grant_types: Vec<String>,
    pub(in crate::admin) callback_url: Option<String>,
    /// An access token for a first call.
    pub(in crate::admin) token: Option<Value>,
}

/// Checks a client before it is mapped.
pub(in crate::admin) async fn check(
    _admin: &Admin,
    client: &ExistingClient<'_>,
) -> Result<ClientFacts, Refused> {
    if client.consumer_key.trim().is_empty() {
        let description = "`consumerKey` is empty";
        let message = "Invalid client id for Out-of-Band mode";
        return Err(Refused::new(StatusCode::BAD_REQUEST, 901_414, message, description));
    }
    // no key manager can be asked about its clients yet
    std::future::ready(()).await;
    Ok(ClientFacts::default())
}
