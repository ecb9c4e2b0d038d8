//! Clients of the management API, as command line tools register them.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use serde_json::Value;

use crate::admin::access::form::FormParameters;
use crate::admin::access::password::refused;
use crate::admin::access::token_refused::TokenRefused;
use crate::admin::access::user::sha256;
use crate::admin::state::Admin;
use crate::model::BasicCredentials;
use crate::model::secret::Secret;
use crate::sign_in::PasswordTurn;
use crate::store::{Kind, Record};

/// The keys of a record's declared form.
pub(super) const CLIENT_NAME: &str = "name";
pub(super) const SECRET_HASH: &str = "secret_hash";
pub(super) const GRANTS: &str = "grant_types";
pub(super) const CALLBACK: &str = "callback_url";

/// The longest id: those of ours have 36 characters.
const MOST_ID: usize = 64;

/// A client that proved its secret.
#[derive(Debug)]
pub(super) struct ApiClient {
    pub(super) id: String,
    pub(super) owner: String,
    grants: Vec<String>,
}

impl ApiClient {
    fn of_record(record: &Record) -> Option<Self> {
        let grants = record.declared.get(GRANTS)?.as_array()?.iter();
        let grants = grants.filter_map(Value::as_str).map(str::to_owned).collect();
        Some(Self { id: record.name.clone(), owner: record.owner.clone()?, grants })
    }

    pub(super) fn may(&self, grant: &str) -> Result<(), TokenRefused> {
        if self.grants.iter().any(|own| own == grant) {
            return Ok(());
        }
        let description = format!("the client was registered without the grant type {grant}");
        Err(TokenRefused::new("unauthorized_client", description))
    }
}

/// Finds the client of a request and compares its secret. The turn is given back, for the password
/// of a user.
pub(super) async fn authenticated<'a>(
    admin: &'a Admin,
    peer: IpAddr,
    headers: &HeaderMap,
    form: &FormParameters,
) -> Result<(ApiClient, PasswordTurn<'a>), TokenRefused> {
    let (id, secret) = credentials(headers, form)?;
    let turn = admin.access.passwords.turn(peer).map_err(refused)?;
    let found = if id.len() > MOST_ID {
        None
    } else {
        let store = admin.catalog.store();
        store
            .named(Kind::ManagementClient, &id)
            .await
            .map_err(|error| TokenRefused::from(crate::admin::refused::Refused::from(error)))?
    };
    let client = found.filter(|record| is_its_secret(record, &secret));
    match client.as_ref().and_then(ApiClient::of_record) {
        Some(client) => Ok((client, turn)),
        None => {
            let _ = turn.wrong(&id, "unknown client or wrong client secret");
            Err(TokenRefused::client())
        }
    }
}

/// Returns the hash of a secret for the store. A secret has 256 random bits, so a fast hash is
/// enough.
pub(super) fn kept_secret(secret: &Secret) -> String {
    STANDARD.encode(sha256(secret.reveal()))
}

fn is_its_secret(record: &Record, secret: &Secret) -> bool {
    let kept = record.text(SECRET_HASH).unwrap_or_default();
    verify_slices_are_equal(kept.as_bytes(), kept_secret(secret).as_bytes()).is_ok()
}

/// Returns the id and the secret from HTTP Basic, or else from the form.
fn credentials(
    headers: &HeaderMap,
    form: &FormParameters,
) -> Result<(String, Secret), TokenRefused> {
    let field = headers.get(header::AUTHORIZATION);
    match (field, form.get("client_secret")) {
        (Some(_), Some(_)) => Err(TokenRefused::new(
            "invalid_request",
            "the client authenticates in two ways: leave `client_secret` out of the form",
        )),
        (Some(field), None) => {
            let BasicCredentials { name, password } =
                BasicCredentials::read(field).ok_or_else(TokenRefused::client)?;
            Ok((name, password))
        }
        (None, Some(secret)) => {
            let id = form.needed("client_id")?;
            Ok((id.to_owned(), Secret::new(secret.to_owned())))
        }
        (None, None) => Err(TokenRefused::client()),
    }
}
