//! A key whose client the gateway made: the record of the client, and finding the client again.

use serde_json::{Map, Value, json};

use crate::admin::state::Admin;
use crate::model::secret::Secret;
use crate::registration::{ManagementAccess, RegisteredClient};
use crate::store::{Record, SecretPlace, StoreError};

/// The member of `extra` that holds the way to the client.
const REGISTRATION: &str = "registration";

/// The member that holds the address of the client.
const URI: &str = "uri";

/// The member that holds the token for the client.
const ACCESS_TOKEN: &str = "access_token";

/// The member of `extra` that holds the client's secret.
const SECRET: &str = "secret";

/// Tells whether the gateway made the client, and so may change and delete it.
pub(super) fn is_created(key: &Record) -> bool {
    key.extra.get("mode") == Some(&json!("CREATED"))
}

/// Keeps the server's answer. Secrets are kept encrypted, or not at all.
pub(super) fn keep(
    admin: &Admin,
    key: &mut Record,
    client: &RegisteredClient,
) -> Result<(), StoreError> {
    if let Some(grants) = &client.grant_types {
        key.extra.insert("supportedGrantTypes".to_owned(), json!(grants));
    }
    if client.callbacks.is_empty() {
        key.extra.remove("callbackUrl");
    } else {
        key.extra.insert("callbackUrl".to_owned(), json!(client.callbacks.join(",")));
    }
    if !admin.keys.can_seal() {
        return Ok(());
    }
    if let Some(ManagementAccess { uri, token }) = &client.management {
        let token = seal(admin, key, ACCESS_TOKEN, token)?;
        let members =
            Map::from_iter([(URI.to_owned(), json!(uri)), (ACCESS_TOKEN.to_owned(), token)]);
        key.extra.insert(REGISTRATION.to_owned(), Value::Object(members));
    }
    client.secret.as_ref().map_or(Ok(()), |secret| keep_secret(admin, key, secret))
}

/// Keeps the newest secret of the client, or none.
pub(super) fn keep_secret(
    admin: &Admin,
    key: &mut Record,
    secret: &Secret,
) -> Result<(), StoreError> {
    key.extra.remove(SECRET);
    if admin.keys.can_seal() {
        let sealed = seal(admin, key, SECRET, secret)?;
        key.extra.insert(SECRET.to_owned(), sealed);
    }
    Ok(())
}

fn seal(admin: &Admin, key: &Record, field: &str, secret: &Secret) -> Result<Value, StoreError> {
    admin.keys.seal(SecretPlace { kind: key.kind, id: key.id, field }, secret)
}

/// The way to the client, if the server gave one and it could be kept.
pub(super) fn management(
    admin: &Admin,
    key: &Record,
) -> Result<Option<ManagementAccess>, StoreError> {
    let kept = key.extra.get(REGISTRATION);
    let uri = kept.and_then(|own| own.get(URI)?.as_str());
    let token = kept.and_then(|own| own.get(ACCESS_TOKEN));
    let (Some(uri), Some(token)) = (uri, token) else { return Ok(None) };
    let place = SecretPlace { kind: key.kind, id: key.id, field: ACCESS_TOKEN };
    Ok(Some(ManagementAccess { uri: uri.to_owned(), token: admin.keys.open(place, token)? }))
}

/// The client's secret, if it could be kept.
pub(super) fn secret(admin: &Admin, key: &Record) -> Result<Option<Secret>, StoreError> {
    let Some(sealed) = key.extra.get(SECRET) else { return Ok(None) };
    let place = SecretPlace { kind: key.kind, id: key.id, field: SECRET };
    admin.keys.open(place, sealed).map(Some)
}
