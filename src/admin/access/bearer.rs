//! Bearer tokens: of the gateway's own token endpoint, or of a key manager.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::admin::access::ApiAccess;
use crate::admin::access::scopes::scopes_of;
use crate::admin::access::token::{ApiTokenKind, TokenGrant};
use crate::admin::access::tokens::ShownToken;
use crate::admin::caller::{Caller, CallerScopes};
use crate::admin::catalog::Catalog;
use crate::admin::refused::Refused;

/// The challenge to a token that was refused (RFC 6750 section 3).
const INVALID_TOKEN: &str = "Bearer realm=\"Portcullis\", error=\"invalid_token\"";

impl ApiAccess {
    pub(super) async fn enter_by_token(
        &self,
        catalog: &Catalog,
        field: &HeaderValue,
        parts: &Parts,
        peer: IpAddr,
    ) -> Result<Caller, Refused> {
        let token = field.to_str().ok().and_then(|field| field.split_once(' '));
        let token = token.map(|(_, token)| token.trim()).unwrap_or_default();
        let kind = ApiTokenKind::Access;
        let shown = self.tokens.find(catalog, token, kind, self.token_time()).await?;
        let judged = match (shown, &self.foreign) {
            (ShownToken::Good(grant), _) => {
                self.user_of(catalog, grant, peer).await?.ok_or_else(invalid_token)
            }
            (ShownToken::Unknown, Some(foreign)) => {
                Box::pin(foreign.caller(token, parts, peer, &self.passwords)).await
            }
            (ShownToken::Ended | ShownToken::Unknown, _) => Err(invalid_token()),
        };
        match &judged {
            Ok(_) => self.passwords.succeeded(),
            Err(_) => self.passwords.refused_token(),
        }
        judged
    }

    /// Finds the user of a token that the gateway issued. The user is looked up anew: one that is
    /// gone, disabled, or has another password has no token any more.
    async fn user_of(
        &self,
        catalog: &Catalog,
        grant: TokenGrant,
        peer: IpAddr,
    ) -> Result<Option<Caller>, Refused> {
        let Some(user) = self.find(catalog, &grant.user).await? else { return Ok(None) };
        if user.stamp() != grant.stamp {
            return Ok(None);
        }
        let held = scopes_of(&user.roles);
        let scopes = grant.scopes.into_iter().filter(|scope| held.holds(scope));
        let scopes = CallerScopes::new(scopes);
        Ok(Some(Caller { scopes, ..user.caller(peer) }))
    }
}

pub(super) fn invalid_token() -> Refused {
    let description = "the access token is unknown, or has ended";
    let mut refused = Refused::plain(StatusCode::UNAUTHORIZED, description);
    refused.challenge = INVALID_TOKEN;
    refused
}
