//! `generate-keys`: makes a client at the authorization server and gives it to an application.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{Committed, WriteOptions};
use crate::admin::devportal::applications::{refusal as write_refusal, stays};
use crate::admin::devportal::clients::{
    ServerOperation, SharedAdmin, refusal, server, shown_token,
};
use crate::admin::devportal::created::keep;
use crate::admin::devportal::key::{ShownKey, ShownKeyType, record};
use crate::admin::devportal::key_managers::{choose, only_exchanges, switch};
use crate::admin::devportal::map_keys::{second_key, unsupported};
use crate::admin::devportal::requested_client::{WishedClient, wish};
use crate::admin::devportal::server_scopes::{endpoints, scopes};
use crate::admin::devportal::visible::{application, changeable};
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::model::application::ConsumerKey;
use crate::registration::{ClientWish, KnownClient, RegisteredClient, RegistrationServer};
use crate::store::{Change, Record};

const SEES: &[&str] = &["subscribe", "app_manage"];

/// The grant for a first token.
const CLIENT_CREDENTIALS: &str = "client_credentials";

/// WSO2's `ApplicationKeyGenerateRequest`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyGenerationBody {
    key_type: ShownKeyType,
    key_manager: Option<String>,
    grant_types_to_be_supported: Vec<String>,
    callback_url: Option<String>,
    scopes: Option<Vec<String>>,
    validity_time: Option<String>,
    additional_properties: Option<Map<String, Value>>,
    #[serde(rename = "clientId", default)]
    _client_id: IgnoredAny,
    #[serde(rename = "clientSecret", default)]
    _client_secret: IgnoredAny,
}

pub(super) async fn generate_keys(
    State(admin): State<SharedAdmin>,
    caller: Caller,
    options: WriteOptions,
    Path(id): Path<String>,
    body: JsonBody<KeyGenerationBody>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let body = body.read()?;
    // the order of these refusals is WSO2's
    let application = application(&admin, &caller, &id).await?;
    changeable(&application)?;
    let key_manager = choose(&admin, &caller, body.key_manager.as_deref()).await?;
    if only_exchanges(&key_manager) {
        return Err(unsupported("the key manager only exchanges tokens of others"));
    }
    if !switch(&key_manager, "oauth_app_creation", false) {
        return Err(unsupported("the key manager makes no clients (oauth_app_creation is off)"));
    }
    let name = key_manager.record.name.clone();
    if let Some(conflict) = second_key(&admin, &application, &name, body.key_type).await? {
        return Err(conflict);
    }
    let server = server(&admin, &key_manager)?;
    let wished = WishedClient {
        application: &application,
        key_manager: &key_manager,
        key_type: body.key_type,
        grant_types: body.grant_types_to_be_supported,
        callback_url: body.callback_url,
        scopes: body.scopes.unwrap_or_default(),
        validity_time: body.validity_time,
        properties: body.additional_properties.unwrap_or_default(),
    };
    let wish = wish(wished, server.kind(), admin.access.now())?;
    if options.dry_run {
        let description = "`dryRun`: a client is made or not; there is no preview of it";
        return Err(Refused::bad_request(description));
    }
    let key_type = body.key_type;
    let creation = Creation {
        admin: SharedAdmin::clone(&admin),
        caller,
        options,
        application,
        key_manager,
        key_type,
        server,
        wish,
    };
    admin.errands.finish(Box::pin(creation.run())).await
}

/// A client that is being made.
struct Creation {
    admin: SharedAdmin,
    caller: Caller,
    options: WriteOptions,
    application: Object,
    key_manager: Object,
    key_type: ShownKeyType,
    server: RegistrationServer,
    wish: ClientWish,
}

impl Creation {
    async fn run(self) -> Result<Response, Refused> {
        let key_manager = self.key_manager.record.name.as_str();
        // a client can only be given scopes that its server knows
        if let Some(endpoints) = endpoints(&self.key_manager) {
            let scopes = scopes(&self.admin, &self.key_manager).await?;
            let registered = self.server.register_scopes(&endpoints, &scopes).await;
            registered.map_err(|failure| {
                refusal(&self.caller, key_manager, ServerOperation::Create, &failure)
            })?;
        }
        let created = self.server.create(&self.wish).await;
        let client = created.map_err(|failure| {
            refusal(&self.caller, key_manager, ServerOperation::Create, &failure)
        })?;
        match self.keep(&client).await {
            Ok(committed) => Ok(self.answer(&client, &committed).await),
            Err(refused) => Err(self.take_back(&client, refused).await),
        }
    }

    async fn keep(&self, client: &RegisteredClient) -> Result<Committed, Refused> {
        if ConsumerKey::try_from(client.id.as_str()).is_err() {
            let description = "the server made a client whose id no token could carry";
            return Err(Refused::plain(StatusCode::BAD_GATEWAY, description));
        }
        let mut key = self.record(client);
        keep(&self.admin, &mut key, client)?;
        let changes = vec![Change::Create(key)];
        let conditions = vec![stays(&self.application)];
        let catalog = &self.admin.catalog;
        let written =
            catalog.write(&self.caller, "generate-keys", self.options, changes, conditions).await;
        written.map_err(|refused| write_refusal(&self.caller, refused))
    }

    fn record(&self, client: &RegisteredClient) -> Record {
        let key_manager = self.key_manager.record.name.as_str();
        let id = self.application.record.id;
        let mut key = record(id, key_manager, self.key_type, &client.id, "CREATED");
        let extra = &mut key.extra;
        extra.insert("supportedGrantTypes".to_owned(), json!(self.wish.grant_types));
        if !self.wish.properties.kept.is_empty() {
            let properties = Value::Object(self.wish.properties.kept.clone());
            extra.insert("additionalProperties".to_owned(), properties);
        }
        key
    }

    /// Deletes a client that would be of no use, and reports if that fails too.
    async fn take_back(&self, client: &RegisteredClient, mut refused: Refused) -> Refused {
        let known = KnownClient { id: &client.id, management: client.management.as_ref() };
        if let Err(failure) = self.server.delete(known).await {
            tracing::error!(
                target: "portcullis::admin",
                key_manager = self.key_manager.record.name,
                client = client.id,
                error = %failure,
                "a client was made that could not be kept, and it cannot be deleted again",
            );
            refused.description.push_str("; the client ");
            refused.description.push_str(&client.id);
            refused.description.push_str(" is left at the authorization server");
        }
        refused
    }

    async fn answer(&self, client: &RegisteredClient, committed: &Committed) -> Response {
        let record = committed.records.first().cloned();
        let mut shown = ShownKey::of(&Object::kept(record.unwrap_or_else(|| self.record(client))));
        shown.consumer_secret = client.secret.as_ref().map(|own| own.reveal().to_owned());
        shown.token = self.first_token(client).await;
        committed.respond_tagged(Json(shown))
    }

    /// Returns a token for a first call, if the key manager makes tokens. A key without one is as
    /// good.
    async fn first_token(&self, client: &RegisteredClient) -> Option<Value> {
        let none = json!({ "accessToken": "", "tokenScopes": [], "validityTime": 0 });
        let secret = client.secret.as_ref()?;
        let grants = client.grant_types.as_ref().unwrap_or(&self.wish.grant_types);
        let wanted = switch(&self.key_manager, "token_generation", false)
            && grants.iter().any(|own| own == CLIENT_CREDENTIALS)
            && !self.wish.regulatory;
        if !wanted {
            return Some(none);
        }
        match self.server.token(&client.id, secret, &self.wish.scopes).await {
            Ok(token) => Some(shown_token(&token)),
            Err(failure) => {
                let key_manager = self.key_manager.record.name.as_str();
                // for the log
                let _ = refusal(&self.caller, key_manager, ServerOperation::Token, &failure);
                Some(none)
            }
        }
    }
}
