//! Deletes an application, and the clients that were made for it at their authorization servers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::admin::caller::Caller;
use crate::admin::catalog::{Committed, WriteOptions, WriteRefused};
use crate::admin::devportal::applications::{LISTS, refusal};
use crate::admin::devportal::clients::{SharedAdmin, server};
use crate::admin::devportal::created::{is_created, management};
use crate::admin::devportal::key_managers::find;
use crate::admin::devportal::visible::{application, changeable, children};
use crate::admin::entity_tag::IfMatch;
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::fetch::form_encoded;
use crate::registration::KnownClient;
use crate::store::{Change, Kind, Record, StoreError, WriteCondition};

/// The attempts at deleting an application, since another call may add a key in the meantime.
const DELETE_ATTEMPTS: u8 = 3;

/// The time for all servers together; the caller waits for at most a minute.
const SERVERS_TIMEOUT: Duration = Duration::from_secs(30);

/// Names the clients that are left at their servers.
const LEFT: &str = "portcullis-left-clients";

pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    caller.needs(LISTS)?;
    let object = application(&admin, &caller, &id).await?;
    remove(&admin, caller, options, &if_match, object).await
}

struct ApplicationRemoval {
    admin: SharedAdmin,
    caller: Caller,
    options: WriteOptions,
    object: Object,
    expected: Option<u64>,
}

/// Deletes an application with its keys and subscriptions, all or none, and then the clients that
/// the gateway made for it.
///
/// The application goes first. So a refused call leaves everything as it was, and a client that its
/// server does not delete opens nothing.
pub(in crate::admin) async fn remove(
    admin: &SharedAdmin,
    caller: Caller,
    options: WriteOptions,
    if_match: &IfMatch,
    object: Object,
) -> Result<Response, Refused> {
    changeable(&object)?;
    let expected = if_match.expect(&object)?;
    let keys = children(admin, Kind::Key, object.record.id).await?;
    let has_clients = keys.iter().any(|key| is_created(&key.record)) && !options.dry_run;
    let removal =
        ApplicationRemoval { admin: Arc::clone(admin), caller, options, object, expected };
    let work = Box::pin(removal.run());
    if has_clients { admin.errands.finish(work).await } else { work.await }
}

impl ApplicationRemoval {
    async fn run(self) -> Result<Response, Refused> {
        let (committed, keys) = self.remove_kept().await?;
        let mut response = committed.respond(StatusCode::OK);
        if committed.revision.is_some() {
            let left = self.end_clients(&keys).await;
            let names: Vec<_> = left.iter().map(left_name).collect();
            if !names.is_empty()
                && let Ok(names) = HeaderValue::from_str(&names.join(", "))
            {
                response.headers_mut().insert(LEFT, names);
            }
        }
        Ok(response)
    }

    /// Deletes the stored objects, and returns the deleted keys.
    async fn remove_kept(&self) -> Result<(Committed, Vec<Record>), Refused> {
        let Self { admin, caller, options, expected, .. } = self;
        let id = self.object.record.id;
        let mut attempt = 0_u8;
        loop {
            let keys = children(admin, Kind::Key, id).await?;
            let subscriptions = children(admin, Kind::Subscription, id).await?;
            let own = keys.iter().chain(&subscriptions).map(|own| &own.record);
            let mut changes: Vec<_> = own
                .map(|own| Change::Delete { kind: own.kind, id: own.id, expected: None })
                .collect();
            changes.push(Change::Delete { kind: Kind::Application, id, expected: *expected });
            // a key or a subscription that comes in the meantime would have no application
            let conditions = vec![
                WriteCondition::Childless { kind: Kind::Key, parent: id },
                WriteCondition::Childless { kind: Kind::Subscription, parent: id },
            ];
            let action = "delete-application";
            let written = admin.catalog.write(caller, action, *options, changes, conditions).await;
            attempt = attempt.saturating_add(1);
            match written {
                // a key or a subscription was added or removed in the meantime
                Err(WriteRefused::Store(
                    StoreError::InUse { .. }
                    | StoreError::Missing { kind: Kind::Key | Kind::Subscription, .. },
                )) if attempt < DELETE_ATTEMPTS => {}
                Err(refused) => return Err(refusal(caller, refused)),
                Ok(committed) => {
                    return Ok((committed, keys.into_iter().map(|own| own.record).collect()));
                }
            }
        }
    }

    /// Deletes the clients that the gateway made, and returns the keys of those that are left. The
    /// log and the audit log name them.
    async fn end_clients(&self, keys: &[Record]) -> Vec<Record> {
        let now = Instant::now();
        let end = now.checked_add(SERVERS_TIMEOUT).unwrap_or(now);
        let mut left = Vec::new();
        for key in keys.iter().filter(|key| is_created(key)) {
            let ended = timeout_at(end, self.end_client(key)).await;
            let Err(why) = ended.unwrap_or_else(|_| Err("its server did not answer".to_owned()))
            else {
                continue;
            };
            tracing::error!(
                target: "portcullis::admin",
                application = self.object.record.name,
                key_manager = key.target.as_deref().unwrap_or_default(),
                client = key.text("consumer_key").unwrap_or_default(),
                error = why,
                "an application was deleted, and its client is left at the authorization server",
            );
            // everything in the record of a client is secret, except its name
            left.push(Record { extra: serde_json::Map::new(), ..key.clone() });
        }
        if !left.is_empty()
            && let Err(error) =
                self.admin.catalog.note(&self.caller, "leave-client", left.clone()).await
        {
            tracing::error!(
                target: "portcullis::admin", %error,
                "the audit log cannot name the clients that are left",
            );
        }
        left
    }

    async fn end_client(&self, key: &Record) -> Result<(), String> {
        let name = key.target.as_deref().unwrap_or_default();
        let key_manager = find(&self.admin, name).await.map_err(|error| error.to_string())?;
        let key_manager =
            key_manager.ok_or_else(|| "its key manager is there no more".to_owned())?;
        let server = server(&self.admin, &key_manager).map_err(|refused| refused.description)?;
        let management = management(&self.admin, key).map_err(|error| error.to_string())?;
        let id = key.text("consumer_key").unwrap_or_default();
        let known = KnownClient { id, management: management.as_ref() };
        server.delete(known).await.map_err(|failure| failure.to_string())
    }
}

/// A client in the form of a header: `KEY_MANAGER/CLIENT`, both percent-encoded.
fn left_name(key: &Record) -> String {
    let key_manager = key.target.as_deref().unwrap_or_default();
    let client = key.text("consumer_key").unwrap_or_default();
    format!("{}/{}", form_encoded(key_manager), form_encoded(client))
}
