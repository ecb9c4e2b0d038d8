//! `GET /applications/export`: an application as an archive.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Deserialize;

use crate::admin::caller::Caller;
use crate::admin::devportal::application::ShownApplication;
use crate::admin::devportal::archive::{ArchiveFormat, document, pack};
use crate::admin::devportal::visible::{children, unknown_application};
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::store::Kind;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportOrder {
    app_name: Option<String>,
    app_owner: Option<String>,
    with_keys: Option<String>,
    format: Option<String>,
}

pub(super) async fn export(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Parameters(order): Parameters<ExportOrder>,
) -> Result<Response, Refused> {
    caller.needs(&["app_import_export"])?;
    let given = |text: Option<String>, name: &str| {
        text.filter(|text| !text.is_empty())
            .ok_or_else(|| Refused::bad_request(format!("`{name}` is missing")))
    };
    let name = given(order.app_name, "appName")?;
    let owner = given(order.app_owner, "appOwner")?;
    let with_keys = flag(order.with_keys.as_deref(), "withKeys")?;
    let format = ArchiveFormat::read(order.format.as_deref())?;
    let found = admin.catalog.named(Kind::Application, &name).await?;
    let application = found
        .filter(|found| found.record.owner.as_deref() == Some(owner.as_str()))
        .ok_or_else(unknown_application)?;
    let id = application.record.id;
    let keys = if with_keys { children(&admin, Kind::Key, id).await? } else { Vec::new() };
    let mut subscriptions = Vec::new();
    for subscription in children(&admin, Kind::Subscription, id).await? {
        let target = subscription.record.target.as_deref().unwrap_or_default();
        let api = admin.catalog.named(Kind::Api, target).await?;
        subscriptions.extend(api.map(|api| (subscription, api)));
    }
    let shown = ShownApplication::of(&application, &keys, subscriptions.len() as u64);
    let bytes = pack(&owner, &name, format, &document(&shown, &subscriptions))?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"application.zip\""),
    ];
    Ok((headers, bytes).into_response())
}

/// Reads a parameter that is true or false.
pub(super) fn flag(text: Option<&str>, name: &str) -> Result<bool, Refused> {
    match text {
        None | Some("false" | "") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refused::bad_request(format!("`{name}` is true or false"))),
    }
}
