//! Sets the counts of an application's quota back.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::{WriteOptions, WriteRefused};
use crate::admin::devportal::applications::{SEES, refusal};
use crate::admin::devportal::visible::{application, changeable};
use crate::admin::entity_tag::IfMatch;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::model::clock::UnixSeconds;
use crate::model::{QuotaResets, ResetRefused};
use crate::store::{Change, QUOTA_RESETS, Record, StoreError};

/// Somebody may change an application while its counts are set back: so often is it tried again.
const RESET_ATTEMPTS: u8 = 3;

/// The longest name of a user (`sub` in OpenID Connect).
const MOST_NAME: usize = 255;

/// The user whose counts are set back; `None` for all of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ThrottleReset {
    user_name: Option<String>,
}

/// Answers `POST /applications/{id}/reset-throttle-policy`. Who may change an application may
/// choose its policy too, so the call gives nobody more than a change of it does.
pub(super) async fn reset_throttle_policy(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    if_match: IfMatch,
    Path(id): Path<String>,
    body: JsonBody<ThrottleReset>,
) -> Result<Response, Refused> {
    caller.needs(SEES)?;
    let mut attempt = 0_u8;
    // who may not see the application learns nothing of the form
    let mut object = application(&admin, &caller, &id).await?;
    let body = body.read()?;
    loop {
        changeable(&object)?;
        let expected = if_match.expect(&object)?;
        let mut record = object.record;
        body.put_into(&mut record, admin.access.now())?;
        let changes = vec![Change::Update { record, expected }];
        let action = "reset-throttle-policy";
        let written = admin.catalog.write(&caller, action, options, changes, Vec::new()).await;
        attempt = attempt.saturating_add(1);
        match written {
            Ok(committed) => return Ok(committed.respond(StatusCode::OK)),
            Err(WriteRefused::Store(StoreError::Changed { .. })) if attempt < RESET_ATTEMPTS => {
                object = application(&admin, &caller, &id).await?;
            }
            Err(refused) => return Err(refusal(&caller, refused)),
        }
    }
}

impl ThrottleReset {
    fn put_into(&self, record: &mut Record, now: UnixSeconds) -> Result<(), Refused> {
        let kept = record.declared.get(QUOTA_RESETS).cloned();
        let kept = kept.map(serde_json::from_value::<QuotaResets>).transpose();
        let mut resets = kept
            .map_err(|error| StoreError::Unreadable(format!("`{QUOTA_RESETS}`: {error}")))?
            .unwrap_or_default();
        match &self.user_name {
            None => resets.reset_all(now),
            Some(user) => {
                texts::name("userName", user, MOST_NAME)?;
                resets.reset_user(user, now).map_err(|error| refused(&error))?;
            }
        }
        record.declared.insert(QUOTA_RESETS.to_owned(), json!(resets));
        Ok(())
    }
}

fn refused(error: &ResetRefused) -> Refused {
    let status = match error {
        ResetRefused::User(_) => StatusCode::BAD_REQUEST,
        ResetRefused::TooMany => StatusCode::CONFLICT,
    };
    Refused::plain(status, error.to_string())
}
