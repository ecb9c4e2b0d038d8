//! `map-keys`: gives an application the client id of a client that exists already.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::devportal::applications::{refusal, stays};
use crate::admin::devportal::existing_client::{ClientFacts, ExistingClient, check};
use crate::admin::devportal::key::{ShownKey, ShownKeyType, record};
use crate::admin::devportal::key_managers::{choose, only_exchanges, takes_existing_keys};
use crate::admin::devportal::visible::{application, changeable, children, owns};
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::model::application::ConsumerKey;
use crate::model::names::InvalidName;
use crate::store::{Change, Kind, Record};

/// WSO2's `ApplicationKeyMappingRequest`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyMappingBody {
    consumer_key: String,
    consumer_secret: Option<String>,
    key_manager: Option<String>,
    key_type: ShownKeyType,
}

pub(super) async fn map_keys(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    Path(id): Path<String>,
    body: JsonBody<KeyMappingBody>,
) -> Result<Response, Refused> {
    caller.needs(&["subscribe", "app_manage"])?;
    let body = body.read()?;
    // the order of these refusals is WSO2's
    let application = application(&admin, &caller, &id).await?;
    changeable(&application)?;
    let key_manager = choose(&admin, &caller, body.key_manager.as_deref()).await?;
    if !admin.catalog.declared().portal.key_provisioning {
        return Err(unsupported("out-of-band provisioning is off (portal.key_provisioning)"));
    }
    if only_exchanges(&key_manager) {
        return Err(unsupported("the key manager only exchanges tokens of others"));
    }
    if !takes_existing_keys(&key_manager) {
        return Err(unsupported("out-of-band provisioning is off at this key manager"));
    }
    let wanted = NewKey {
        application: &application,
        key_manager: &key_manager.record.name,
        key_type: body.key_type,
        consumer_key: &body.consumer_key,
    };
    wanted.check()?;
    if let Some(conflict) = wanted.conflict(&admin, &caller).await? {
        return Err(conflict);
    }
    let client = ExistingClient {
        key_manager: &key_manager,
        consumer_key: &body.consumer_key,
        consumer_secret: body.consumer_secret.as_deref(),
    };
    let facts = check(&admin, &caller, &client).await?;
    let committed = wanted.keep(&admin, &caller, options, &facts).await?;
    let Some(record) = committed.records.first() else {
        return Err(Refused::plain(StatusCode::INTERNAL_SERVER_ERROR, "the key was not kept"));
    };
    let mut shown = ShownKey::of(&Object::kept(record.clone()));
    shown.consumer_secret = body.consumer_secret;
    let no_token = json!({ "accessToken": "", "tokenScopes": [], "validityTime": 0 });
    shown.token = Some(facts.token.unwrap_or(no_token));
    Ok(committed.respond_tagged((StatusCode::OK, Json(shown))))
}

pub(super) fn unsupported(description: &str) -> Refused {
    let message = "Key Manager doesn't support generating OAuth applications";
    Refused::new(StatusCode::BAD_REQUEST, 901_405, message, description)
}

fn exists_already(description: String) -> Refused {
    let message = "Key Mappings already exists";
    Refused::new(StatusCode::CONFLICT, 901_409, message, description)
}

/// Says why an application cannot have a key: it has one of this type.
pub(super) async fn second_key(
    admin: &Admin,
    application: &Object,
    key_manager: &str,
    key_type: ShownKeyType,
) -> Result<Option<Refused>, Refused> {
    let own = children(admin, Kind::Key, application.record.id).await?;
    let same = own.iter().any(|key| {
        key.record.target.as_deref() == Some(key_manager)
            && ShownKeyType::of(&key.record) == key_type
    });
    let name = key_type.as_str();
    Ok(same.then(|| {
        exists_already(format!(
            "the application has a {name} key of key manager \"{key_manager}\" already"
        ))
    }))
}

/// A key that will belong to an application.
#[derive(Debug)]
struct NewKey<'k> {
    application: &'k Object,
    key_manager: &'k str,
    key_type: ShownKeyType,
    consumer_key: &'k str,
}

impl NewKey<'_> {
    /// Refuses a client id that no server issues. WSO2 refuses an empty one at a later step.
    fn check(&self) -> Result<(), Refused> {
        texts::foreign_id("consumerKey", self.consumer_key)?;
        match ConsumerKey::try_from(self.consumer_key) {
            Ok(_) | Err(InvalidName::Empty) => Ok(()),
            Err(error) => Err(Refused::bad_request(format!("`consumerKey` {error}"))),
        }
    }

    /// Returns the conflict of a key: the application has one of this type, or another application
    /// has the client.
    async fn conflict(&self, admin: &Admin, caller: &Caller) -> Result<Option<Refused>, Refused> {
        let refused = |description: String| Ok(Some(exists_already(description)));
        let (application, key_manager) = (self.application, self.key_manager);
        if let Some(second) = second_key(admin, application, key_manager, self.key_type).await? {
            return Ok(Some(second));
        }
        let name = Record::key_name(self.key_manager, self.consumer_key);
        let Some(key) = admin.catalog.named(Kind::Key, &name).await? else { return Ok(None) };
        let holder = match key.record.parent {
            Some(id) => admin.catalog.get(Kind::Application, id).await?,
            None => None,
        };
        refused(match holder.filter(|holder| may_know(caller, holder)) {
            Some(holder) => {
                let owner = holder.record.owner.unwrap_or_default();
                format!(
                    "the consumer key belongs to application \"{}\" of \"{owner}\"",
                    holder.record.name
                )
            }
            None => "the consumer key belongs to another application".to_owned(),
        })
    }

    async fn keep(
        &self,
        admin: &Admin,
        caller: &Caller,
        options: WriteOptions,
        facts: &ClientFacts,
    ) -> Result<crate::admin::catalog::Committed, Refused> {
        let id = self.application.record.id;
        let mut key = record(id, self.key_manager, self.key_type, self.consumer_key, "MAPPED");
        if !facts.grant_types.is_empty() {
            key.extra.insert("supportedGrantTypes".to_owned(), json!(facts.grant_types));
        }
        if let Some(url) = &facts.callback_url {
            key.extra.insert("callbackUrl".to_owned(), Value::String(url.clone()));
        }
        let changes = vec![Change::Create(key)];
        let conditions = vec![stays(self.application)];
        match admin.catalog.write(caller, "map-keys", options, changes, conditions).await {
            Ok(committed) => Ok(committed),
            // another call was faster: the database, or the gateway's check, knows it
            Err(refused) => match self.conflict(admin, caller).await? {
                Some(conflict) => Err(conflict),
                None => Err(refusal(caller, refused)),
            },
        }
    }
}

/// Tells the holder of a consumer key to administrators and to its owner, and to no other caller.
fn may_know(caller: &Caller, holder: &Object) -> bool {
    owns(caller, holder)
        && (caller.is_administrator()
            || holder.record.owner.as_deref() == Some(caller.name.as_str()))
}
