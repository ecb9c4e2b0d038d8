//! Finds a key of an application that the caller may see.

use http::StatusCode;

use crate::admin::caller::Caller;
use crate::admin::devportal::key::ShownKeyType;
use crate::admin::devportal::visible::{application, children};
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::Kind;

/// A key with its application. Only a caller who may see the application gets one.
#[derive(Debug)]
pub(in crate::admin) struct OwnKey {
    pub(in crate::admin) application: Object,
    pub(in crate::admin) key: Object,
}

pub(in crate::admin) fn unknown_key() -> Refused {
    let description = "the application has no such key";
    Refused::new(StatusCode::NOT_FOUND, 900_331, "Application Key mapping not found", description)
}

/// Finds a key by the id of its mapping.
pub(in crate::admin) async fn own_key(
    admin: &Admin,
    caller: &Caller,
    id: &str,
    mapping: &str,
) -> Result<OwnKey, Refused> {
    let application = application(admin, caller, id).await?;
    let Some(mapping) = object_id(mapping) else { return Err(unknown_key()) };
    let key = admin.catalog.get(Kind::Key, mapping).await?;
    let key = key.filter(|key| key.record.parent == Some(application.record.id));
    Ok(OwnKey { key: key.ok_or_else(unknown_key)?, application })
}

/// Finds the only key of a type. WSO2's older clients know one key manager, and here an application
/// can have a key of this type at each.
pub(in crate::admin) async fn only_key(
    admin: &Admin,
    caller: &Caller,
    id: &str,
    key_type: &str,
) -> Result<OwnKey, Refused> {
    let application = application(admin, caller, id).await?;
    let Some(key_type) = ShownKeyType::named(key_type) else { return Err(unknown_key()) };
    let mut keys = children(admin, Kind::Key, application.record.id).await?;
    keys.retain(|key| ShownKeyType::of(&key.record) == key_type);
    if keys.len() > 1 {
        return Err(several(&keys));
    }
    Ok(OwnKey { key: keys.pop().ok_or_else(unknown_key)?, application })
}

fn several(keys: &[Object]) -> Refused {
    let names: Vec<_> = keys.iter().filter_map(|key| key.record.target.as_deref()).collect();
    let description = format!(
        "the application has keys of this type at several key managers: {}; use `oauth-keys`",
        names.join(", ")
    );
    Refused::new(StatusCode::BAD_REQUEST, 901_403, "Key Manager not Registered", description)
}
