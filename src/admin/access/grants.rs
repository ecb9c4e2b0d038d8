//! The token endpoint for clients of the API (RFC 6749) and its revocation endpoint (RFC 7009).
//!
//! A token gets those of the requested scopes that its user has, as in WSO2's product. The user's
//! roles are checked again with each call.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::admin::access::anonymous::Anonymous;
use crate::admin::access::client::{ApiClient, authenticated};
use crate::admin::access::form::FormParameters;
use crate::admin::access::scopes::scopes_of;
use crate::admin::access::token::{ACCESS_LIFETIME, ApiTokenKind, TokenGrant};
use crate::admin::access::token_refused::TokenRefused;
use crate::admin::access::tokens::ShownToken;
use crate::admin::access::user::ApiUser;
use crate::admin::state::Admin;
use crate::model::BasicCredentials;
use crate::model::secret::Secret;
use crate::sign_in::PasswordTurn;
use crate::store::Author;

/// Scripts write a user as `admin@carbon.super`; there is one tenant here.
const TENANT: &str = "@carbon.super";

/// Answers `POST /oauth2/token`.
pub(super) async fn token(
    State(admin): State<Arc<Admin>>,
    Anonymous(peer): Anonymous,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TokenRefused> {
    let form = FormParameters::read(&headers, &body)?;
    let grant = form.needed("grant_type")?;
    let (client, turn) = authenticated(&admin, peer, &headers, &form).await?;
    let answer = match grant {
        "password" => {
            client.may(grant)?;
            by_password(&admin, turn, &client, &form).await?
        }
        "client_credentials" => {
            client.may(grant)?;
            let user = admin.access.find(&admin.catalog, &client.owner).await?;
            let user = user.ok_or_else(|| TokenRefused::grant("the client has no owner"))?;
            granted(&admin, &client, &user, &asked(&form), WithRefresh::No)?
        }
        "refresh_token" => {
            client.may(grant)?;
            by_refresh_token(&admin, &client, &form, peer).await?
        }
        _ => {
            return Err(TokenRefused::new(
                "unsupported_grant_type",
                "the grant types are password, client_credentials and refresh_token",
            ));
        }
    };
    admin.access.passwords.succeeded();
    Ok(answer)
}

/// Answers `POST /oauth2/revoke`: a client ends a token of its own.
pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Anonymous(peer): Anonymous,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, TokenRefused> {
    let form = FormParameters::read(&headers, &body)?;
    let token = form.needed("token")?;
    let (client, _) = authenticated(&admin, peer, &headers, &form).await?;
    let ending = (client.id.as_str(), author(&client, peer));
    let now = admin.access.token_time();
    admin.access.tokens.end(&admin.catalog, token, ending, now).await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithRefresh {
    Yes,
    No,
}

async fn by_password(
    admin: &Admin,
    turn: PasswordTurn<'_>,
    client: &ApiClient,
    form: &FormParameters,
) -> Result<Response, TokenRefused> {
    let name = form.needed("username")?;
    let name = name.strip_suffix(TENANT).unwrap_or(name).to_owned();
    let password = Secret::new(form.needed("password")?.to_owned());
    let credentials = BasicCredentials { name, password };
    let user = admin.access.verify_in(turn, &admin.catalog, credentials).await?;
    granted(admin, client, &user, &asked(form), refresh_of(client))
}

async fn by_refresh_token(
    admin: &Admin,
    client: &ApiClient,
    form: &FormParameters,
    peer: IpAddr,
) -> Result<Response, TokenRefused> {
    let token = form.needed("refresh_token")?;
    let ended = || TokenRefused::grant("the refresh token is unknown, or has ended");
    let (tokens, now) = (&admin.access.tokens, admin.access.token_time());
    let shown = tokens.find(&admin.catalog, token, ApiTokenKind::Refresh, now).await?;
    let ShownToken::Good(grant) = shown else { return Err(ended()) };
    if grant.client != client.id {
        return Err(ended());
    }
    // it is good for one use, whichever gateway is asked
    let ending = (client.id.as_str(), author(client, peer));
    if !tokens.end(&admin.catalog, token, ending, now).await? {
        return Err(ended());
    }
    let user = admin.access.find(&admin.catalog, &grant.user).await?.ok_or_else(ended)?;
    if user.stamp() != grant.stamp {
        return Err(ended());
    }
    let narrower = form.get("scope").is_some().then(|| asked(form));
    let scopes = grant
        .scopes
        .into_iter()
        .filter(|scope| narrower.as_ref().is_none_or(|asked| asked.contains(scope)))
        .collect::<Vec<_>>();
    granted(admin, client, &user, &scopes, refresh_of(client))
}

/// Returns the author of a token's end: the user who registered the client.
fn author(client: &ApiClient, peer: IpAddr) -> Author {
    Author { name: client.owner.clone(), address: Some(peer) }
}

fn refresh_of(client: &ApiClient) -> WithRefresh {
    if client.may("refresh_token").is_ok() { WithRefresh::Yes } else { WithRefresh::No }
}

fn asked(form: &FormParameters) -> Vec<String> {
    let scopes = form.get("scope").unwrap_or_default();
    scopes.split_ascii_whitespace().map(str::to_owned).collect()
}

/// Issues tokens with those of the scopes that the user holds.
fn granted(
    admin: &Admin,
    client: &ApiClient,
    user: &ApiUser,
    asked: &[String],
    with_refresh: WithRefresh,
) -> Result<Response, TokenRefused> {
    let held = scopes_of(&user.roles);
    let mut scopes: Vec<String> = asked.iter().filter(|scope| held.holds(scope)).cloned().collect();
    scopes.sort_unstable();
    scopes.dedup();
    let issue = |kind| {
        let grant = TokenGrant {
            user: user.name.clone(),
            stamp: user.stamp(),
            client: client.id.clone(),
            scopes: scopes.clone(),
        };
        let issued = admin.access.tokens.issue(grant, kind, admin.access.token_time());
        issued.ok_or_else(|| TokenRefused::server("no token could be made"))
    };
    let mut answer = json!({
        "access_token": issue(ApiTokenKind::Access)?.reveal(),
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFETIME.as_secs(),
        "scope": scopes.join(" "),
    });
    if with_refresh == WithRefresh::Yes {
        let token = issue(ApiTokenKind::Refresh)?;
        if let Some(members) = answer.as_object_mut() {
            members.insert("refresh_token".to_owned(), token.reveal().into());
        }
    }
    Ok(Json(answer).into_response())
}
