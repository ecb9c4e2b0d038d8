//! The secrets of a client, which its authorization server keeps.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use crate::admin::caller::Caller;
use crate::admin::devportal::own_key::{only_key, own_key};
use crate::admin::refused::Refused;
use crate::admin::state::Admin;

const SEES: &[&str] = &["subscribe", "app_manage"];

/// Everything about the secrets of a client that was made elsewhere.
pub(super) async fn secrets(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((id, mapping)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    own_key(&admin, &caller, &id, &mapping).await?;
    Err(out_of_band())
}

pub(super) async fn secrets_only(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    Path((id, key_type)): Path<(String, String)>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    only_key(&admin, &caller, &id, &key_type).await?;
    Err(out_of_band())
}

fn out_of_band() -> Refused {
    let message = "Operation not implemented for custom Key Manager for Out-of-Band type";
    let description = "the client was made at the authorization server, which keeps its secrets";
    Refused::new(StatusCode::NOT_IMPLEMENTED, 901_413, message, description)
}
