//! Changes and deletes the client of a key at its authorization server, and the key with it.

use axum::Json;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::devportal::clients::{ServerOperation, SharedAdmin, refusal, server, texts};
use crate::admin::devportal::created::{keep, management};
use crate::admin::devportal::key::{ShownKey, ShownKeyType};
use crate::admin::devportal::key_managers::find;
use crate::admin::devportal::own_key::{OwnKey, unknown_key};
use crate::admin::devportal::requested_client::{WishedClient, wish};
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::registration::KnownClient;
use crate::store::{Change, Kind, Record};

/// The parts of a client that a caller may change; missing ones stay.
pub(super) struct ClientChange {
    pub(super) grant_types: Option<Vec<String>>,
    pub(super) callback_url: Option<String>,
    pub(super) properties: Option<Map<String, Value>>,
}

/// A call about a key whose client the gateway made.
pub(super) struct CreatedKey {
    pub(super) admin: SharedAdmin,
    pub(super) caller: Caller,
    pub(super) options: WriteOptions,
    pub(super) own: OwnKey,
    pub(super) expected: Option<u64>,
}

impl CreatedKey {
    async fn key_manager(&self) -> Result<Object, Refused> {
        let name = self.own.key.record.target.as_deref().unwrap_or_default();
        let found = find(&self.admin, name).await?;
        found.ok_or_else(|| {
            let message = "Key Manager not Registered";
            let description = format!(
                "there is no key manager \"{name}\" any more; `clean-up` forgets the key and \
                 leaves its client"
            );
            Refused::new(StatusCode::BAD_REQUEST, 901_403, message, description)
        })
    }

    fn no_preview(&self) -> Result<(), Refused> {
        if self.options.dry_run {
            let description = "`dryRun`: a client is changed or not; there is no preview of it";
            return Err(Refused::bad_request(description));
        }
        Ok(())
    }

    /// Changes the client, then the key, because the server may refuse a change that the store
    /// would take.
    pub(super) async fn update(self, change: ClientChange) -> Result<Response, Refused> {
        self.no_preview()?;
        let key_manager = self.key_manager().await?;
        let server = server(&self.admin, &key_manager)?;
        let mut record = self.own.key.record.clone();
        let extra = |name: &str| record.extra.get(name).cloned();
        let text = |value: Option<Value>| value.and_then(|own| own.as_str().map(str::to_owned));
        let kept = extra("additionalProperties").and_then(|own| own.as_object().cloned());
        let wished = WishedClient {
            application: &self.own.application,
            key_manager: &key_manager,
            key_type: ShownKeyType::of(&record),
            grant_types: change
                .grant_types
                .unwrap_or_else(|| texts(record.extra.get("supportedGrantTypes"))),
            callback_url: change.callback_url.or_else(|| text(extra("callbackUrl"))),
            scopes: Vec::new(),
            validity_time: None,
            properties: change.properties.or(kept).unwrap_or_default(),
        };
        let wish = wish(wished, server.kind(), self.admin.access.now())?;
        let management = management(&self.admin, &record)?;
        let id = record.text("consumer_key").unwrap_or_default().to_owned();
        let known = KnownClient { id: &id, management: management.as_ref() };
        let name = key_manager.record.name.as_str();
        let updated = server.update(known, &wish).await;
        let client = updated
            .map_err(|failure| refusal(&self.caller, name, ServerOperation::Update, &failure))?;
        record.extra.insert("supportedGrantTypes".to_owned(), json!(wish.grant_types));
        record.extra.remove("additionalProperties");
        if !wish.properties.kept.is_empty() {
            let properties = Value::Object(wish.properties.kept.clone());
            record.extra.insert("additionalProperties".to_owned(), properties);
        }
        keep(&self.admin, &mut record, &client)?;
        self.write(record).await
    }

    async fn write(&self, record: Record) -> Result<Response, Refused> {
        let changes = vec![Change::Update { record, expected: self.expected }];
        let catalog = &self.admin.catalog;
        let written =
            catalog.write(&self.caller, "update-keys", self.options, changes, Vec::new()).await;
        let committed = written.map_err(|refused| {
            let mut refused = Refused::from(refused);
            refused.description.push_str("; the authorization server has the change already");
            refused
        })?;
        let Some(record) = committed.records.first() else { return Err(unknown_key()) };
        let shown = ShownKey::of(&Object::kept(record.clone()));
        Ok(committed.respond_tagged(Json(shown)))
    }

    /// Deletes the client, then the key. A client that is gone already is no fault, so a call that
    /// stopped between both can be made again.
    pub(super) async fn delete(self) -> Result<Response, Refused> {
        self.no_preview()?;
        let key_manager = self.key_manager().await?;
        let server = server(&self.admin, &key_manager)?;
        let record = &self.own.key.record;
        let management = management(&self.admin, record)?;
        let id = record.text("consumer_key").unwrap_or_default();
        let known = KnownClient { id, management: management.as_ref() };
        let name = key_manager.record.name.as_str();
        server.delete(known).await.map_err(|failure| {
            let mut refused = refusal(&self.caller, name, ServerOperation::Delete, &failure);
            refused.description.push_str("; `clean-up` forgets the key and leaves its client");
            refused
        })?;
        let changes =
            vec![Change::Delete { kind: Kind::Key, id: record.id, expected: self.expected }];
        let catalog = &self.admin.catalog;
        let committed =
            catalog.write(&self.caller, "delete-keys", self.options, changes, Vec::new()).await?;
        Ok(committed.respond(StatusCode::OK))
    }
}
