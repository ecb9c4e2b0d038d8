//! A client that already exists at the authorization server, before it is mapped to an application.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::StatusCode;
use serde_json::Value;

use crate::admin::caller::Caller;
use crate::admin::devportal::clients::{ServerOperation, refusal, server, shown_token};
use crate::admin::devportal::key_managers::switch;
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::secret::Secret;
use crate::registration::{
    ClientToken, KnownClient, RegisteredClient, RegistrationFailure, RegistrationServer,
};

/// The grant with which a secret is tested.
const CLIENT_CREDENTIALS: &str = "client_credentials";

/// The caller's description of the client.
#[derive(Debug)]
pub(in crate::admin) struct ExistingClient<'c> {
    pub(in crate::admin) key_manager: &'c Object,
    pub(in crate::admin) consumer_key: &'c str,
    /// Never stored.
    pub(in crate::admin) consumer_secret: Option<&'c str>,
}

/// The authorization server's description of the client.
#[derive(Debug, Default)]
pub(in crate::admin) struct ClientFacts {
    pub(in crate::admin) grant_types: Vec<String>,
    pub(in crate::admin) callback_url: Option<String>,
    /// An access token for a first call.
    pub(in crate::admin) token: Option<Value>,
}

/// Checks a client before it is mapped. The server is asked if the portal's settings want it and
/// the server can answer.
pub(in crate::admin) async fn check(
    admin: &Admin,
    caller: &Caller,
    client: &ExistingClient<'_>,
) -> Result<ClientFacts, Refused> {
    if client.consumer_key.trim().is_empty() {
        return Err(invalid("`consumerKey` is empty"));
    }
    if !admin.catalog.declared().portal.validate_existing_keys {
        return Ok(ClientFacts::default());
    }
    let server = server(admin, client.key_manager)?;
    let secret = client.consumer_secret.filter(|own| !own.is_empty());
    let secret = secret.map(|own| Secret::new(own.to_owned()));
    if server.reads_any_client() {
        let found = read(caller, &server, client).await?;
        compare(found.secret.as_ref(), secret.as_ref())?;
        let grants = found.grant_types.unwrap_or_default();
        let mut facts = ClientFacts {
            callback_url: (!found.callbacks.is_empty()).then(|| found.callbacks.join(",")),
            ..ClientFacts::default()
        };
        if let Some(secret) = secret.filter(|_| grants.iter().any(|own| own == CLIENT_CREDENTIALS))
        {
            let token = try_secret(caller, &server, client, &secret).await?;
            facts.token = token.filter(|_| makes_tokens(client)).map(|own| shown_token(&own));
        }
        facts.grant_types = grants;
        return Ok(facts);
    }
    // other servers tell about a client only to the client itself
    let Some(secret) = secret else { return Ok(ClientFacts::default()) };
    let token = try_secret(caller, &server, client, &secret).await?;
    let grant_types = token.iter().map(|_| CLIENT_CREDENTIALS.to_owned()).collect();
    let token = token.filter(|_| makes_tokens(client)).map(|own| shown_token(&own));
    Ok(ClientFacts { grant_types, callback_url: None, token })
}

fn makes_tokens(client: &ExistingClient<'_>) -> bool {
    switch(client.key_manager, "token_generation", false)
}

fn invalid(description: &str) -> Refused {
    let message = "Invalid client id for Out-of-Band mode";
    Refused::new(StatusCode::BAD_REQUEST, 901_414, message, description)
}

async fn read(
    caller: &Caller,
    server: &RegistrationServer,
    client: &ExistingClient<'_>,
) -> Result<RegisteredClient, Refused> {
    let known = KnownClient { id: client.consumer_key, management: None };
    match server.client(known).await {
        Ok(found) => Ok(found),
        Err(RegistrationFailure::Refused { status: 404 | 410, .. }) => {
            Err(invalid("the authorization server does not know this client"))
        }
        Err(failure) => {
            let name = client.key_manager.record.name.as_str();
            Err(refusal(caller, name, ServerOperation::Map, &failure))
        }
    }
}

/// Compares the secret of a caller with the server's, if the server shows it.
fn compare(own: Option<&Secret>, given: Option<&Secret>) -> Result<(), Refused> {
    match (own, given) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(invalid("`consumerSecret` is missing")),
        (Some(own), Some(given)) => {
            let (own, given) = (own.reveal().as_bytes(), given.reveal().as_bytes());
            verify_slices_are_equal(own, given)
                .map_err(|_| invalid("`consumerSecret` is not the client's"))
        }
    }
}

/// Tests the secret of a client. Returns `None` if it is right and the client cannot get a token by
/// itself.
async fn try_secret(
    caller: &Caller,
    server: &RegistrationServer,
    client: &ExistingClient<'_>,
    secret: &Secret,
) -> Result<Option<ClientToken>, Refused> {
    let failure = match server.token(client.consumer_key, secret, &[]).await {
        Ok(token) => return Ok(Some(token)),
        Err(failure) => failure,
    };
    let error = match &failure {
        RegistrationFailure::Refused { status: 400..=499, error, .. } => error.as_deref(),
        _ => None,
    };
    match error {
        Some("invalid_client") => Err(invalid(
            "the authorization server does not know this client, or its secret is wrong",
        )),
        // RFC 6749 section 5.2: a server sends these to a client that has authenticated
        Some("unauthorized_client" | "unsupported_grant_type" | "invalid_scope") => Ok(None),
        _ => {
            let name = client.key_manager.record.name.as_str();
            Err(refusal(caller, name, ServerOperation::Map, &failure))
        }
    }
}
