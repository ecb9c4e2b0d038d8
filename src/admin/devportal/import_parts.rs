//! The keys and subscriptions of an archive.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::caller::Caller;
use crate::admin::devportal::api::is_open;
use crate::admin::devportal::key::{ShownKeyType, record};
use crate::admin::devportal::key_managers::{choose, takes_existing_keys};
use crate::admin::devportal::policies::{offered_names, offers};
use crate::admin::devportal::subscription;
use crate::admin::devportal::visible::children;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::model::application::ConsumerKey;
use crate::store::{Change, Kind, Record};

/// More parts than any application has; an archive is one write.
const MOST_PARTS: usize = 1000;

/// The parts of an application that were read from an archive.
#[derive(Debug)]
pub(super) struct ArchiveParts<'p> {
    pub(super) admin: &'p Admin,
    pub(super) caller: &'p Caller,
    pub(super) application: Uuid,
    pub(super) data: &'p Value,
}

fn listed<'v>(values: &[Option<&'v Value>]) -> Result<Vec<&'v Value>, Refused> {
    let lists = values.iter().flatten().filter_map(|value| value.as_array());
    let all: Vec<_> = lists.flatten().collect();
    if all.len() > MOST_PARTS {
        let description = format!("`file` has more than {MOST_PARTS} keys or subscriptions");
        return Err(Refused::bad_request(description));
    }
    Ok(all)
}

/// Returns the keys that the application does not have yet. A client that another application has
/// refuses the whole archive.
pub(super) async fn keys(parts: &ArchiveParts<'_>) -> Result<Vec<Change>, Refused> {
    let info = parts.data.get("applicationInfo").and_then(|info| info.get("keys"));
    let present = children(parts.admin, Kind::Key, parts.application).await?;
    let mut changes = Vec::new();
    for key in listed(&[info, parts.data.get("applicationKeys")])? {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
        let Some(key_type) = ShownKeyType::named(text("keyType")) else {
            return Err(Refused::bad_request("`keyType` is PRODUCTION or SANDBOX"));
        };
        let consumer_key = text("consumerKey");
        texts::foreign_id("consumerKey", consumer_key)?;
        if let Err(error) = ConsumerKey::try_from(consumer_key) {
            return Err(Refused::bad_request(format!("`consumerKey` {error}")));
        }
        let key_manager = choose(parts.admin, parts.caller, Some(text("keyManager"))).await?;
        if !takes_existing_keys(&key_manager) {
            let message = "Key Manager doesn't support generating OAuth applications";
            let description = "out-of-band provisioning is off at a key manager of the archive";
            return Err(Refused::new(StatusCode::BAD_REQUEST, 901_405, message, description));
        }
        let name = Record::key_name(&key_manager.record.name, consumer_key);
        if present.iter().any(|own| own.record.name == name) {
            continue;
        }
        if parts.admin.catalog.named(Kind::Key, &name).await?.is_some() {
            let message = "Key Mappings already exists";
            let description =
                format!("consumer key \"{consumer_key}\" belongs to another application");
            return Err(Refused::new(StatusCode::CONFLICT, 901_409, message, description));
        }
        // an archive can name any client: the gateway changes and deletes only those that it made
        let target = &key_manager.record.name;
        let own = record(parts.application, target, key_type, consumer_key, "MAPPED");
        changes.push(Change::Create(own));
    }
    Ok(changes)
}

/// Returns the subscriptions that can be made, and the APIs of those that cannot.
pub(super) async fn subscriptions(
    parts: &ArchiveParts<'_>,
    ignore_policy: bool,
) -> Result<(Vec<Change>, Vec<Value>), Refused> {
    let (mut changes, mut skipped) = (Vec::new(), Vec::new());
    for entry in listed(&[parts.data.get("subscribedAPIs")])? {
        let id = entry.get("apiId").unwrap_or(&Value::Null);
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (name, version) = (text(id, "apiName"), text(id, "version"));
        let target = format!("{name}:{version}");
        let known = Record::subscription_name(parts.application, &target);
        if parts.admin.catalog.named(Kind::Subscription, &known).await?.is_some() {
            continue;
        }
        let api = parts.admin.catalog.named(Kind::Api, &target).await?.filter(is_open);
        let policy = match &api {
            Some(api) => {
                let offered = offers(parts.admin, parts.caller, api).await?;
                let wanted = text(entry, "throttlingPolicy");
                let first = offered_names(api).first().map(|own| (*own).to_owned());
                match offered.iter().any(|own| own.name == wanted) {
                    true => Some(wanted),
                    false if ignore_policy => first.or(Some("Unlimited".to_owned())),
                    false => None,
                }
            }
            None => None,
        };
        match policy {
            Some(policy) => {
                let own = subscription::record(parts.application, &target, &policy);
                changes.push(Change::Create(own));
            }
            None => skipped.push(json!({ "name": name, "version": version,
                                         "provider": text(id, "providerName") })),
        }
    }
    Ok((changes, skipped))
}
