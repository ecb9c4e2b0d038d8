//! `GET /applications/{id}/last-use`: the last day on which an application used each API.

use std::sync::Arc;

use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use serde_json::json;
use uuid::Uuid;

use crate::admin::caller::Caller;
use crate::admin::devportal::visible;
use crate::admin::object::Object;
use crate::admin::paging::PageQuery;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::identity::{ObjectId, ObjectKind};

pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: OriginalUri,
    Path(id): Path<String>,
    Parameters(page): Parameters<PageQuery>,
) -> Result<Response, Refused> {
    caller.needs(&["admin", "subscribe", "app_manage"])?;
    let range = page.range()?;
    let application = visible::application(&admin, &caller, &id).await?;
    let mut uses = admin.catalog.store().last_uses(noted_id(&application)).await?;
    uses.sort_by(|one, other| (other.day, &one.api).cmp(&(one.day, &other.api)));
    let (page, total) = range.of(uses);
    let shown = page.into_iter().map(|own| {
        let (name, version) = own.api.rsplit_once(':').unwrap_or((&own.api, ""));
        json!({ "api": name, "apiVersion": version, "lastUse": own.date() })
    });
    Ok(range.respond(&uri.0, shown.collect(), total))
}

/// Returns the id by which uses are noted: by the name, for an application of a file.
fn noted_id(application: &Object) -> Uuid {
    match application.declared_at {
        Some(_) => ObjectId::declared(ObjectKind::Application, &application.record.name).into(),
        None => application.record.id,
    }
}
