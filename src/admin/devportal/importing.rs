//! `POST /applications/import`: an application out of an archive, with its keys and
//! subscriptions in one change.

use std::sync::Arc;

use axum::Json;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::devportal::application::{ApplicationBody, ApplicationInfo, give_to};
use crate::admin::devportal::applications::{policy_exists, refusal, taken};
use crate::admin::devportal::archive::unpack;
use crate::admin::devportal::exporting::flag;
use crate::admin::devportal::import_parts::{ArchiveParts, keys, subscriptions};
use crate::admin::devportal::visible::{changeable, subscription_count};
use crate::admin::json_text::told;
use crate::admin::object::Object;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::store::{Change, Kind, Record};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImportOrder {
    preserve_owner: Option<String>,
    skip_subscriptions: Option<String>,
    app_owner: Option<String>,
    skip_application_keys: Option<String>,
    update: Option<String>,
    ignore_tier: Option<String>,
}

pub(super) async fn import(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    Parameters(order): Parameters<ImportOrder>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Refused> {
    caller.needs(&["app_import_export"])?;
    let is = |text: &Option<String>, name: &str| flag(text.as_deref(), name);
    let document = unpack(&file(form).await?)?;
    let data = document.get("data").unwrap_or(&document);
    let Some(info) = data.get("applicationInfo").and_then(Value::as_object) else {
        return Err(Refused::bad_request("`file` has no `applicationInfo`"));
    };
    let body = body(info)?;
    let owner = match order.app_owner.filter(|owner| !owner.is_empty()) {
        Some(owner) => owner,
        None if is(&order.preserve_owner, "preserveOwner")? => {
            info.get("owner").and_then(Value::as_str).unwrap_or(&caller.name).to_owned()
        }
        None => caller.name.clone(),
    };
    texts::name("appOwner", &owner, 255)?;
    // a typing error would hide it from all users
    if !admin.access.may_know(&admin.catalog, &owner).await? {
        return Err(Refused::bad_request("the owner of the application is no user"));
    }
    let present = admin.catalog.named(Kind::Application, &body.name).await?;
    let update = is(&order.update, "update")?;
    if let Some(other) = &present {
        changeable(other)?;
        if !update || other.record.owner.as_deref() != Some(owner.as_str()) {
            return Err(taken(&caller, Some(other)));
        }
    }
    body.check(&caller, present.as_ref().map(|object| &object.record))?;
    policy_exists(&admin, &body.throttling_policy).await?;
    let (mut changes, record) = application_change(&body, &owner, present);
    let parts = ArchiveParts { admin: &admin, caller: &caller, application: record.id, data };
    if !is(&order.skip_application_keys, "skipApplicationKeys")? {
        changes.extend(keys(&parts).await?);
    }
    let mut skipped = Vec::new();
    if !is(&order.skip_subscriptions, "skipSubscriptions")? {
        let ignore_tier = is(&order.ignore_tier, "ignoreTier")?;
        let (made, left) = subscriptions(&parts, ignore_tier).await?;
        changes.extend(made);
        skipped = left;
    }
    let written =
        admin.catalog.write(&caller, "import-application", options, changes, Vec::new()).await;
    let committed = written.map_err(|refused| refusal(&caller, refused))?;
    if !skipped.is_empty() {
        let list = json!({ "count": skipped.len(), "list": skipped });
        return Ok(committed.respond((StatusCode::MULTI_STATUS, Json(list))));
    }
    let object = Object::kept(committed.records.first().cloned().unwrap_or(record));
    let count = subscription_count(&admin, object.record.id).await?;
    Ok(committed.respond(Json(ApplicationInfo::of(&object, count))))
}

/// Returns the file of the form.
async fn file(form: Result<Multipart, MultipartRejection>) -> Result<Vec<u8>, Refused> {
    let Ok(mut form) = form else {
        let description = "the body of this call is multipart/form-data";
        return Err(Refused::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, description));
    };
    let broken = |_| Refused::bad_request("the form cannot be read");
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some("file") {
            return Ok(field.bytes().await.map_err(broken)?.to_vec());
        }
    }
    Err(Refused::bad_request("the form has no `file`"))
}

/// Reads the fields that a caller can write; an archive has others too.
fn body(info: &Map<String, Value>) -> Result<ApplicationBody, Refused> {
    const FIELDS: [&str; 6] =
        ["name", "throttlingPolicy", "description", "tokenType", "groups", "attributes"];
    let own = info.iter().filter(|(key, _)| FIELDS.contains(&key.as_str()));
    let own: Map<String, Value> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    serde_json::from_value(Value::Object(own)).map_err(|error| {
        Refused::bad_request(format!("`applicationInfo`: {}", told(&error.to_string())))
    })
}

fn application_change(
    body: &ApplicationBody,
    owner: &str,
    present: Option<Object>,
) -> (Vec<Change>, Record) {
    let fresh = present.is_none();
    let mut record = match present {
        Some(object) => object.record,
        None => Record::new(Kind::Application, Uuid::new_v4(), body.name.clone()),
    };
    give_to(&mut record, owner);
    body.put_into(&mut record);
    let expected = Some(record.revision);
    let change = if fresh {
        Change::Create(record.clone())
    } else {
        Change::Update { record: record.clone(), expected }
    };
    (vec![change], record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_more_fields_than_a_caller_may_write() {
        let info = json!({ "name": "one", "throttlingPolicy": "Unlimited", "owner": "eve",
                           "hashEnabled": true, "visibility": null, "odd": 1 });
        let body = body(info.as_object().unwrap()).unwrap();
        assert_eq!(body.name, "one");
        let (changes, record) = application_change(&body, "ann", None);
        assert!(matches!(changes.as_slice(), [Change::Create(_)]));
        assert_eq!(record.owner.as_deref(), Some("ann"));
        let refused = super::body(json!({ "name": 1 }).as_object().unwrap()).unwrap_err();
        assert!(refused.description.starts_with("`applicationInfo`"), "{refused:?}");
    }
}
