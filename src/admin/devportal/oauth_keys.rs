//! `/applications/{id}/oauth-keys`: the keys of an application, one by one; and `/keys`, which
//! WSO2's older clients use where there is one key manager.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::devportal::key::{ShownKey, ShownKeyType};
use crate::admin::devportal::key_managers::{choose, find, grant_types};
use crate::admin::devportal::visible::{application, changeable, children};
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::store::{Change, Kind};

const SEES: &[&str] = &["subscribe", "app_manage"];

/// A longer address is none that anybody uses.
const MOST_CALLBACK: usize = 2048;

/// More than any server has.
const MOST_GRANT_TYPES: usize = 50;

/// WSO2's `ApplicationKey` as a caller writes it. What is read-only, or cannot change, is not read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyBody {
    supported_grant_types: Option<Vec<String>>,
    callback_url: Option<String>,
    additional_properties: Option<Map<String, Value>>,
    key_manager: Option<String>,
    key_type: Option<ShownKeyType>,
    #[serde(rename = "keyMappingId", default)]
    _key_mapping_id: IgnoredAny,
    #[serde(rename = "consumerKey", default)]
    _consumer_key: IgnoredAny,
    #[serde(rename = "consumerSecret", default)]
    _consumer_secret: IgnoredAny,
    #[serde(rename = "consumerSecrets", default)]
    _consumer_secrets: IgnoredAny,
    #[serde(rename = "keyState", default)]
    _key_state: IgnoredAny,
    #[serde(rename = "mode", default)]
    _mode: IgnoredAny,
    #[serde(rename = "groupId", default)]
    _group_id: IgnoredAny,
    #[serde(rename = "token", default)]
    _token: IgnoredAny,
}

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

/// Finds a key by its type, at the only key manager.
pub(in crate::admin) async fn only_key(
    admin: &Admin,
    caller: &Caller,
    id: &str,
    key_type: &str,
) -> Result<OwnKey, Refused> {
    let application = application(admin, caller, id).await?;
    let Some(key_type) = ShownKeyType::named(key_type) else { return Err(unknown_key()) };
    let key_manager = choose(admin, caller, None).await?;
    let mut keys = children(admin, Kind::Key, application.record.id).await?.into_iter();
    let key = keys.find(|key| {
        key.record.target.as_deref() == Some(key_manager.record.name.as_str())
            && ShownKeyType::of(&key.record) == key_type
    });
    Ok(OwnKey { key: key.ok_or_else(unknown_key)?, application })
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let application = application(&admin, &caller, &id).await?;
    let keys = children(&admin, Kind::Key, application.record.id).await?;
    let list: Vec<_> = keys.iter().map(ShownKey::of).collect();
    Ok(Json(json!({ "count": list.len(), "list": list })).into_response())
}

pub(super) async fn get(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    if_none_match: IfNoneMatch,
    Path((id, mapping)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let OwnKey { key, .. } = own_key(&admin, &caller, &id, &mapping).await?;
    Ok(if_none_match.respond(&key, "", Json(ShownKey::of(&key))))
}

pub(super) async fn get_only(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    if_none_match: IfNoneMatch,
    Path((id, key_type)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let OwnKey { key, .. } = only_key(&admin, &caller, &id, &key_type).await?;
    Ok(if_none_match.respond(&key, "", Json(ShownKey::of(&key))))
}

pub(super) async fn update(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path((id, mapping)): Path<(String, String)>,
    JsonBody(body): JsonBody<KeyBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    change(&admin, &caller, options, &if_match, own, body).await
}

pub(super) async fn update_only(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path((id, key_type)): Path<(String, String)>,
    JsonBody(body): JsonBody<KeyBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = only_key(&admin, &caller, &id, &key_type).await?;
    change(&admin, &caller, options, &if_match, own, body).await
}

async fn change(
    admin: &Admin,
    caller: &Caller,
    options: WriteOptions,
    if_match: &IfMatch,
    own: OwnKey,
    body: KeyBody,
) -> Result<Response, Refused> {
    changeable(&own.application)?;
    let expected = if_match.expect(&own.key)?;
    body.check(admin, &own.key).await?;
    let mut record = own.key.record;
    if let Some(grants) = body.supported_grant_types {
        record.extra.insert("supportedGrantTypes".to_owned(), json!(grants));
    }
    if let Some(url) = body.callback_url {
        record.extra.insert("callbackUrl".to_owned(), json!(url));
    }
    let changes = vec![Change::Update { record, expected }];
    let committed =
        admin.catalog.write(caller, "update-keys", options, changes, Vec::new()).await?;
    let Some(record) = committed.records.first() else { return Err(unknown_key()) };
    let shown = ShownKey::of(&Object::kept(record.clone()));
    Ok(committed.respond(Json(shown)))
}

impl KeyBody {
    async fn check(&self, admin: &Admin, key: &Object) -> Result<(), Refused> {
        let key_manager = key.record.target.as_deref().unwrap_or_default();
        let server = find(admin, key_manager).await?;
        if let Some(named) = self.key_manager.as_deref()
            && named != key_manager
            && server.as_ref().is_none_or(|server| server.record.id.to_string() != named)
        {
            return Err(Refused::bad_request("`keyManager` of a key cannot be changed"));
        }
        if self.key_type.is_some_and(|own| own != ShownKeyType::of(&key.record)) {
            return Err(Refused::bad_request("`keyType` of a key cannot be changed"));
        }
        if self.additional_properties.as_ref().is_some_and(|own| !own.is_empty()) {
            let description = "`additionalProperties` have no function for a mapped key";
            return Err(Refused::bad_request(description));
        }
        texts::prose("callbackUrl", self.callback_url.as_deref().unwrap_or(""), MOST_CALLBACK)?;
        let served = server.as_ref().map(grant_types).unwrap_or_default();
        let wanted = self.supported_grant_types.as_deref().unwrap_or_default();
        if wanted.len() > MOST_GRANT_TYPES {
            let description = format!("`supportedGrantTypes` are {MOST_GRANT_TYPES} at most");
            return Err(Refused::bad_request(description));
        }
        for grant in wanted {
            texts::name("supportedGrantTypes", grant, 100)?;
            if !served.is_empty() && !served.contains(grant) {
                let names = served.join(", ");
                let description = format!("`supportedGrantTypes` are out of these: {names}");
                return Err(Refused::bad_request(description));
            }
        }
        Ok(())
    }
}

pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path((id, mapping)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    remove(&admin, &caller, "delete-keys", options, &if_match, &own).await
}

/// Forgets the mapping and leaves the client at its server, as WSO2 does.
pub(super) async fn clean_up(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path((id, mapping)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    remove(&admin, &caller, "clean-up-keys", options, &if_match, &own).await
}

pub(super) async fn clean_up_only(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path((id, key_type)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let own = only_key(&admin, &caller, &id, &key_type).await?;
    remove(&admin, &caller, "clean-up-keys", options, &if_match, &own).await
}

async fn remove(
    admin: &Admin,
    caller: &Caller,
    action: &'static str,
    options: WriteOptions,
    if_match: &IfMatch,
    own: &OwnKey,
) -> Result<Response, Refused> {
    changeable(&own.application)?;
    let expected = if_match.expect(&own.key)?;
    let changes = vec![Change::Delete { kind: Kind::Key, id: own.key.record.id, expected }];
    let committed = admin.catalog.write(caller, action, options, changes, Vec::new()).await?;
    Ok(committed.respond(StatusCode::OK))
}
