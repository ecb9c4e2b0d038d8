//! Lets a user of the store change the own password.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use crate::admin::access::PASSWORD_HASH;
use crate::admin::access::refused;
use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::catalog::WriteOptions;
use crate::admin::portcullis::user_body::valid_password;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::BasicCredentials;
use crate::model::secret::Secret;
use crate::store::{Change, Kind};

/// The body of a change, as WSO2's developer portal has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PasswordChange {
    current_password: Secret,
    new_password: Secret,
}

/// Answers `POST /me/change-password`. All tokens of the user end.
pub(super) async fn change(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    options: WriteOptions,
    body: JsonBody<PasswordChange>,
) -> Result<Response, Refused> {
    let body = body.read()?;
    valid_password("newPassword", &caller.name, &body.new_password)?;
    if admin.access.users.iter().any(|user| user.name == caller.name) {
        return Err(Refused::declared("user", "[management] of the configuration"));
    }
    let found = admin.catalog.store().named(Kind::User, &caller.name).await?;
    let mut user = found.ok_or_else(|| Refused::not_found("the gateway keeps no such user"))?;
    let turn = admin.access.passwords.turn(caller.address).map_err(refused)?;
    let credentials =
        BasicCredentials { name: caller.name.clone(), password: body.current_password };
    let proved = admin.access.verify_in(turn, &admin.catalog, credentials).await;
    proved.map_err(|fault| match fault.status {
        StatusCode::UNAUTHORIZED => Refused::bad_request("`currentPassword` is wrong"),
        _ => fault,
    })?;
    let hash = admin.access.passwords.hash(body.new_password).await.map_err(refused)?;
    user.declared.insert(PASSWORD_HASH.to_owned(), hash.reveal().into());
    let expected = Some(user.revision);
    let changes = vec![Change::Update { record: user, expected }];
    let action = "change-password";
    let committed = admin.catalog.write(&caller, action, options, changes, Vec::new()).await?;
    Ok(committed.respond(StatusCode::OK))
}
