//! Finds the objects that a caller may see: an application of its own, with its keys and
//! subscriptions.

use http::StatusCode;
use uuid::Uuid;

use crate::admin::caller::Caller;
use crate::admin::devportal::application::groups;
use crate::admin::object::Object;
use crate::admin::object_id::object_id;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::{Kind, Query, StoreError};

/// Finds an application. One that belongs to others is answered like one that does not exist.
pub(in crate::admin) async fn application(
    admin: &Admin,
    caller: &Caller,
    id: &str,
) -> Result<Object, Refused> {
    let Some(id) = object_id(id) else { return Err(unknown_application()) };
    let found = admin.catalog.get(Kind::Application, id).await?;
    found.filter(|object| owns(caller, object)).ok_or_else(unknown_application)
}

pub(in crate::admin) fn owns(caller: &Caller, application: &Object) -> bool {
    caller.owns(application.record.owner.as_deref(), &groups(&application.record))
}

pub(in crate::admin) fn unknown_application() -> Refused {
    let description = "there is no application with this id that you may see";
    Refused::new(StatusCode::NOT_FOUND, 900_307, "Application not found", description)
}

/// Refuses a change of an application of a file, or of its keys and subscriptions.
pub(in crate::admin) fn changeable(application: &Object) -> Result<(), Refused> {
    application.changeable("application")
}

/// Returns all keys, or all subscriptions, of an application.
pub(in crate::admin) async fn children(
    admin: &Admin,
    kind: Kind,
    application: Uuid,
) -> Result<Vec<Object>, StoreError> {
    admin.catalog.every(Query { parent: Some(application), ..Query::of(kind) }).await
}

/// Returns the number of subscriptions of an application.
pub(in crate::admin) async fn subscription_count(
    admin: &Admin,
    application: Uuid,
) -> Result<u64, StoreError> {
    let counts = admin.catalog.child_counts(Kind::Subscription, &[application]).await?;
    Ok(counts.get(&application).copied().unwrap_or_default())
}
