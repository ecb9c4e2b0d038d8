//! `/applications/{id}/oauth-keys`: the keys of an application, one by one; and `/keys`, which
//! WSO2's older clients use if there is one key manager.

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
use crate::admin::devportal::callbacks::callbacks;
use crate::admin::devportal::created::is_created;
use crate::admin::devportal::created_keys::{ClientChange, CreatedKey};
use crate::admin::devportal::key::{ShownKey, ShownKeyType};
use crate::admin::devportal::key_managers::find;
use crate::admin::devportal::own_key::{OwnKey, only_key, own_key, unknown_key};
use crate::admin::devportal::requested_client::check_grants;
use crate::admin::devportal::visible::{application, changeable, children};
use crate::admin::entity_tag::{IfMatch, IfNoneMatch};
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Change, Kind};

const SEES: &[&str] = &["subscribe", "app_manage"];

/// WSO2's `ApplicationKey` as a caller writes it. Members that are read-only, or that cannot
/// change, are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyBody {
    supported_grant_types: Option<Vec<String>>,
    callback_url: Option<String>,
    additional_properties: Option<Map<String, Value>>,
    key_manager: Option<String>,
    key_type: Option<ShownKeyType>,
    consumer_key: Option<String>,
    #[serde(rename = "keyMappingId", default)]
    _key_mapping_id: IgnoredAny,
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
    body: JsonBody<KeyBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let body = body.read()?;
    let own = own_key(&admin, &caller, &id, &mapping).await?;
    change(&admin, caller, options, &if_match, own, body).await
}

pub(super) async fn update_only(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path((id, key_type)): Path<(String, String)>,
    body: JsonBody<KeyBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let body = body.read()?;
    let own = only_key(&admin, &caller, &id, &key_type).await?;
    change(&admin, caller, options, &if_match, own, body).await
}

async fn change(
    admin: &Arc<Admin>,
    caller: Caller,
    options: WriteOptions,
    if_match: &IfMatch,
    own: OwnKey,
    body: KeyBody,
) -> Result<Response, Refused> {
    changeable(&own.application)?;
    let expected = if_match.expect(&own.key)?;
    body.check(admin, &own.key).await?;
    if is_created(&own.key.record) {
        let change = ClientChange {
            grant_types: body.supported_grant_types,
            callback_url: body.callback_url,
            properties: body.additional_properties,
        };
        let admin_of_key = Arc::clone(admin);
        let key = CreatedKey { admin: admin_of_key, caller, options, own, expected };
        return admin.errands.finish(Box::pin(key.update(change))).await;
    }
    let mut record = own.key.record;
    if let Some(grants) = body.supported_grant_types {
        record.extra.insert("supportedGrantTypes".to_owned(), json!(grants));
    }
    if let Some(url) = body.callback_url {
        record.extra.insert("callbackUrl".to_owned(), json!(url));
    }
    let changes = vec![Change::Update { record, expected }];
    let committed =
        admin.catalog.write(&caller, "update-keys", options, changes, Vec::new()).await?;
    let Some(record) = committed.records.first() else { return Err(unknown_key()) };
    let shown = ShownKey::of(&Object::kept(record.clone()));
    Ok(committed.respond_tagged(Json(shown)))
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
        let client = self.consumer_key.as_deref().filter(|own| !own.is_empty());
        if client.is_some_and(|own| key.record.text("consumer_key") != Some(own)) {
            return Err(Refused::bad_request("`consumerKey` of a key cannot be changed"));
        }
        let properties = self.additional_properties.as_ref();
        if properties.is_some_and(|own| !own.is_empty()) && !is_created(&key.record) {
            let description = "`additionalProperties` have no function for a mapped key";
            return Err(Refused::bad_request(description));
        }
        callbacks(self.callback_url.as_deref().unwrap_or_default())?;
        let wanted = self.supported_grant_types.as_deref().unwrap_or_default();
        check_grants("supportedGrantTypes", wanted, server.as_ref())
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
    if is_created(&own.key.record) {
        changeable(&own.application)?;
        let expected = if_match.expect(&own.key)?;
        let key = CreatedKey { admin: Arc::clone(&admin), caller, options, own, expected };
        return admin.errands.finish(Box::pin(key.delete())).await;
    }
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
