//! Lets a developer make an account, where `[portal] self_signup` allows it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use crate::admin::access::{Anonymous, has_name, refused};
use crate::admin::body::JsonBody;
use crate::admin::portcullis::user_body::{UserView, fill, record, valid_password};
use crate::admin::portcullis::users::refuse_name_of_file;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::model::gateway::UserRole;
use crate::model::secret::Secret;
use crate::store::{Author, Change, Kind, Query, StoreError, Write};
use crate::telemetry::SignUp;

/// The number of users of the store at which sign-up ends, so that strangers cannot fill it.
/// Administrators can still add users.
const MOST_USERS: u64 = 10_000;

/// The body of a sign-up.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewAccount {
    name: String,
    password: Secret,
    /// The address of the terms that the person has read.
    accepted_terms: Option<String>,
}

/// Answers `POST /sign-up`.
pub(super) async fn sign_up(
    State(admin): State<Arc<Admin>>,
    Anonymous(peer): Anonymous,
    body: JsonBody<NewAccount>,
) -> Result<Response, Refused> {
    let body = body.read()?;
    let counters = Arc::clone(admin.access.passwords.counters());
    let made = make(&admin, peer, body).await;
    counters.signed_up(if made.is_ok() { SignUp::Created } else { SignUp::Refused });
    made
}

async fn make(admin: &Admin, peer: IpAddr, body: NewAccount) -> Result<Response, Refused> {
    let portal = admin.catalog.declared().portal.clone();
    if !portal.self_signup {
        return Err(Refused::forbidden("accounts are made by an administrator here"));
    }
    has_name(&body.name)?;
    valid_password("password", &body.name, &body.password)?;
    if !portal.terms.is_empty() && body.accepted_terms.as_deref() != Some(&*portal.terms) {
        let description = format!("`acceptedTerms` is the address of the terms: {}", portal.terms);
        return Err(Refused::bad_request(description));
    }
    admin.access.passwords.may_sign_up(peer).map_err(|fault| Refused {
        description: "too many accounts were asked for from this address".to_owned(),
        ..refused(fault)
    })?;
    refuse_name_of_file(admin, &body.name)?;
    refuse_name_of_owner(admin, &body.name).await?;
    let hash = admin.access.passwords.hash(body.password).await.map_err(refused)?;
    let mut user = record(Uuid::new_v4(), &body.name);
    fill(&mut user, Some(&hash), &[UserRole::Developer.name().to_owned()], &[], false);
    // the gateway serves the same afterwards, so nothing is compiled for a stranger
    let write = Write {
        author: Author { name: body.name, address: Some(peer) },
        action: "sign-up",
        changes: vec![Change::Create(user)],
        conditions: Vec::new(),
        notes: Vec::new(),
    };
    let written = admin.catalog.store().write(write).await.map_err(|error| match error {
        StoreError::Taken { .. } => taken(),
        other => other.into(),
    })?;
    let view = written.records.first().map(UserView::of_record);
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Refuses a name that already owns applications, because the new user would own them. Refuses
/// every sign-up if there are too many users.
async fn refuse_name_of_owner(admin: &Admin, name: &str) -> Result<(), Refused> {
    let mut users = Query::of(Kind::User);
    users.limit = 1;
    if admin.catalog.store().list(&users).await?.total >= MOST_USERS {
        return Err(Refused::forbidden("no more accounts can be made; ask an administrator"));
    }
    let mut owned = Query::of(Kind::Application);
    owned.owner = Some(name.to_owned());
    owned.limit = 1;
    if admin.catalog.page(&owned).await?.total > 0 { Err(taken()) } else { Ok(()) }
}

fn taken() -> Refused {
    Refused::conflict("another user has this name")
}
