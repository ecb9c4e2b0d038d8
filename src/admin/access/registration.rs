//! Registers clients of the API, as WSO2's command line tool asks for one before it logs in.
//!
//! Each registration makes a new client with a new secret, because no secret is kept. A user keeps
//! a bounded number of them, and the oldest makes room.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::access::client::{CALLBACK, CLIENT_NAME, GRANTS, SECRET_HASH, kept_secret};
use crate::admin::access::token::random_text;
use crate::admin::body::JsonBody;
use crate::admin::caller::Caller;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::texts;
use crate::store::{Change, Kind, Query, Record, SortBy, Write};

/// The most clients of one user: one for each machine with a login.
const MOST_CLIENTS: u64 = 32;

/// The grant types of the token endpoint.
const SUPPORTED: [&str; 3] = ["password", "client_credentials", "refresh_token"];

/// WSO2's limits of an application's name and of a callback address.
const MOST_NAME: usize = 70;
const MOST_CALLBACK: usize = 2048;

/// The body of a registration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClientRegistration {
    client_name: String,
    #[serde(default)]
    callback_url: String,
    owner: Option<String>,
    grant_type: Option<String>,
    /// Accepted without effect, because there is one tenant. Scripts send a boolean or a string.
    #[serde(default, rename = "saasApp")]
    _saas_app: Value,
    token_type: Option<String>,
    /// Accepted without effect.
    #[serde(default, rename = "userstoreDomainInSubject")]
    _userstore_domain_in_subject: Value,
}

/// Answers `POST /client-registration/v0.17/register`.
pub(super) async fn register(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    body: JsonBody<ClientRegistration>,
) -> Result<Response, Refused> {
    caller.needs(&["dcr:app_manage", "admin"])?;
    let body = body.read()?;
    let grants = valid(&body, &caller)?;
    let secret = random_text().ok_or_else(|| {
        Refused::plain(http::StatusCode::INTERNAL_SERVER_ERROR, "no secret could be made")
    })?;
    let id = Uuid::new_v4();
    let mut record = Record::new(Kind::ManagementClient, id, id.to_string());
    record.owner = Some(caller.name.clone());
    for (key, value) in [
        (CLIENT_NAME, json!(body.client_name)),
        (SECRET_HASH, json!(kept_secret(&secret))),
        (GRANTS, json!(grants)),
        (CALLBACK, json!(body.callback_url)),
    ] {
        record.declared.insert(key.to_owned(), value);
    }
    let mut changes = oldest(&admin, &caller.name).await?;
    changes.push(Change::Create(record));
    let action = "register-client";
    let write = Write {
        author: caller.author(),
        action,
        changes,
        conditions: Vec::new(),
        notes: Vec::new(),
    };
    admin.catalog.store().write(write).await?;
    let attributes = json!({
        "grant_types": grants.join(" "),
        "redirect_uris": body.callback_url,
        "client_name": body.client_name,
    });
    let answer = json!({
        "clientId": id.to_string(),
        "clientSecret": secret.reveal(),
        "clientName": body.client_name,
        // WSO2's definition has one spelling, and its server the other
        "callbackUrl": body.callback_url,
        "callBackURL": body.callback_url,
        "isSaasApplication": "true",
        "appOwner": caller.name,
        "jsonString": attributes.to_string(),
        "jsonAppAttribute": "{}",
        "applicationUUID": id.to_string(),
        "tokenType": "DEFAULT",
    });
    Ok(Json(answer).into_response())
}

/// Checks a registration and returns its grant types.
fn valid(body: &ClientRegistration, caller: &Caller) -> Result<Vec<String>, Refused> {
    texts::name("clientName", &body.client_name, MOST_NAME)?;
    texts::prose("callbackUrl", &body.callback_url, MOST_CALLBACK)?;
    if let Some(owner) = &body.owner
        && owner.strip_suffix("@carbon.super").unwrap_or(owner) != caller.name
    {
        return Err(Refused::bad_request("`owner` is another user than the one who signed in"));
    }
    if let Some(kind) = &body.token_type
        && !matches!(kind.as_str(), "" | "DEFAULT" | "JWT" | "OAUTH" | "Default")
    {
        return Err(Refused::bad_request("`tokenType` is DEFAULT, JWT or OAUTH"));
    }
    let written = body.grant_type.as_deref().unwrap_or("password refresh_token");
    let grants: Vec<String> = written.split_ascii_whitespace().map(str::to_owned).collect();
    let unsupported = grants.iter().find(|grant| !SUPPORTED.contains(&grant.as_str()));
    if unsupported.is_some() || grants.len() > SUPPORTED.len() {
        let description = format!("`grantType` is a list of {}", SUPPORTED.join(", "));
        return Err(Refused::bad_request(description));
    }
    Ok(grants)
}

/// Returns the removal of a user's oldest clients, so that one more fits.
async fn oldest(admin: &Admin, owner: &str) -> Result<Vec<Change>, Refused> {
    let mut query = Query::of(Kind::ManagementClient);
    query.owner = Some(owner.to_owned());
    query.sort_by = SortBy::CreatedAt;
    let page = admin.catalog.store().list(&query).await?;
    let over = page.total.saturating_add(1).saturating_sub(MOST_CLIENTS);
    let removed = page.items.iter().take(usize::try_from(over).unwrap_or(usize::MAX));
    Ok(removed
        .map(|record| Change::Delete { kind: record.kind, id: record.id, expected: None })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::caller::CallerScopes;

    fn caller() -> Caller {
        Caller {
            name: "ann".to_owned(),
            address: [127, 0, 0, 1].into(),
            groups: Vec::new(),
            roles: Vec::new(),
            scopes: CallerScopes::default(),
        }
    }

    fn checked(body: Value) -> Result<Vec<String>, String> {
        let body: ClientRegistration =
            serde_json::from_value(body).map_err(|error| error.to_string())?;
        valid(&body, &caller()).map_err(|refused| refused.description)
    }

    #[test]
    fn the_bodies_of_scripts_are_read() {
        let grants = checked(json!({
            "callbackUrl": "www.google.lk", "clientName": "rest_api_publisher",
            "owner": "ann@carbon.super", "saasApp": true, "tokenType": "JWT",
            "grantType": "client_credentials password refresh_token",
        }));
        assert_eq!(grants.unwrap().len(), 3);
        let plain = checked(json!({ "clientName": "tool", "saasApp": "true" })).unwrap();
        assert_eq!(plain, ["password", "refresh_token"]);
    }

    #[test]
    fn other_bodies_are_refused_by_name() {
        for (body, words) in [
            (json!({ "clientName": "a", "owner": "bob" }), "`owner`"),
            (json!({ "clientName": "a", "grantType": "implicit" }), "`grantType`"),
            (json!({ "clientName": "a", "tokenType": "PAT" }), "`tokenType`"),
            (json!({ "clientName": "" }), "`clientName`"),
            (json!({ "clientName": "a", "scope": "x" }), "scope"),
            (json!({}), "clientName"),
        ] {
            let fault = checked(body).unwrap_err();
            assert!(fault.contains(words), "{fault}");
        }
    }
}
