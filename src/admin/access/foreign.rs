//! Bearer tokens of `management.token_key_manager`, judged as those of the APIs are.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{StatusCode, header};

use crate::admin::access::bearer::invalid_token;
use crate::admin::access::password::refused;
use crate::admin::access::scopes::PREFIX;
use crate::admin::caller::{Caller, CallerScopes};
use crate::admin::refused::Refused;
use crate::admin::texts;
use crate::authenticate::binding::Evidence;
use crate::authenticate::cache::{Common, TokenCache};
use crate::authenticate::credentials::{Credential, TokenScheme};
use crate::authenticate::{
    AuthenticateError, Principal, Question, TokenReception, Unproven, authenticate,
};
use crate::introspect::IntrospectionAnswer;
use crate::jwks::KeyWaiter;
use crate::jwt::JsonValue;
use crate::key_managers::{CompiledKeyManager, CompiledTemplate};
use crate::model::api::BindingRule;
use crate::model::clock::Clock;
use crate::model::gateway::ManagementTokens;
use crate::model::reason::Reason;
use crate::proxy::asking::introspection;
use crate::sign_in::PasswordChecks;
use crate::snapshot::Snapshots;
use crate::telemetry::Metrics;

/// The most questions to servers for one call: newer keys, and an introspection.
const MOST_QUESTIONS: u8 = 3;

/// The longest name of a caller.
const MOST_NAME: usize = 255;

/// The judge of foreign tokens.
#[derive(Debug)]
pub struct ForeignTokens {
    pub settings: ManagementTokens,
    pub snapshots: Arc<Snapshots>,
    pub common: Common,
    pub clock: Arc<dyn Clock>,
}

/// The management API as the place that a token is shown to.
struct ManagementReception<'n>(&'n str);

impl TokenReception for ManagementReception<'_> {
    fn takes(&self, key_manager: &CompiledKeyManager) -> bool {
        key_manager.definition.name.as_str() == self.0
    }

    fn takes_template(&self, _: &CompiledTemplate) -> bool {
        false
    }

    /// A bound token is refused: its proof is not read here.
    fn binding(&self) -> BindingRule {
        BindingRule::NotRequired
    }

    fn asks_for_nonce(&self) -> bool {
        false
    }
}

type Answered = (Arc<CompiledKeyManager>, IntrospectionAnswer);

impl ForeignTokens {
    pub(super) async fn caller(
        &self,
        token: &str,
        parts: &Parts,
        peer: IpAddr,
        passwords: &PasswordChecks,
    ) -> Result<Caller, Refused> {
        let waiter = KeyWaiter::now(Some(peer));
        let mut answered: Option<Answered> = None;
        for _ in 0..MOST_QUESTIONS {
            let question = match self.judge(token, parts, peer, answered.as_ref()) {
                Ok(caller) => return caller.ok_or_else(invalid_token),
                Err(Unproven::Refused(error)) => return Err(refusal(&error)),
                Err(Unproven::Needs(question)) => question,
            };
            match question {
                Question::RefreshKeys { stale, .. } => {
                    for (keys, cause) in stale {
                        let _ = keys.refetch_for(cause, &waiter).await;
                    }
                }
                Question::Introspect { key_managers, purpose } if answered.is_none() => {
                    // a server is asked for as few strangers at a time as passwords are checked
                    let turn = passwords.turn(peer).map_err(refused)?;
                    let patience = introspection::patience(&key_managers);
                    let (bytes, now) = (token.as_bytes(), self.clock.now());
                    let asked =
                        introspection::ask(&key_managers, bytes, purpose, now, patience).await;
                    match asked {
                        Ok(found) => answered = Some(found),
                        Err(AuthenticateError::Inactive) => {
                            let _ = turn.wrong("(a token)", "its server calls it inactive");
                            return Err(invalid_token());
                        }
                        Err(error) => return Err(refusal(&error)),
                    }
                }
                other => return Err(refusal(&other.unasked())),
            }
        }
        match self.judge(token, parts, peer, answered.as_ref()) {
            Ok(caller) => caller.ok_or_else(invalid_token),
            Err(Unproven::Refused(error)) => Err(refusal(&error)),
            Err(Unproven::Needs(question)) => Err(refusal(&question.unasked())),
        }
    }

    /// Judges without waiting. Nothing of a verdict is kept: calls of the API are few.
    fn judge(
        &self,
        token: &str,
        parts: &Parts,
        peer: IpAddr,
        answered: Option<&Answered>,
    ) -> Result<Option<Caller>, Unproven> {
        const ONE_TOKEN: u64 = 64 * 1024;
        let cache = TokenCache::new(ONE_TOKEN, Metrics::new(1, 0).worker(0), self.common.clone());
        cache.set_moment(self.clock.moment());
        if let Some((key_manager, answer)) = answered {
            cache.hand_over(key_manager, token.as_bytes(), answer.clone());
        }
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let path = parts.uri.path();
        let evidence = Evidence {
            certificate: None,
            peer: Some(peer),
            client: Some(peer),
            method: parts.method.as_str(),
            scheme: "https",
            authority: host.unwrap_or_default(),
            paths: [path, path],
            prefix: "",
            headers: &parts.headers,
        };
        let credential = Credential { token: token.as_bytes(), scheme: TokenScheme::Bearer };
        let reception = ManagementReception(&self.settings.key_manager);
        let snapshot = self.snapshots.load();
        let now = self.clock.now();
        let judged = authenticate(&snapshot, &reception, credential, &evidence, &cache, now)?;
        Ok(self.of_principal(&judged.principal, peer))
    }

    /// Returns the caller that a token names; `None` if it names no user.
    fn of_principal(&self, principal: &Principal, address: IpAddr) -> Option<Caller> {
        let claims = principal.claims();
        let name = claims.subject().or(principal.consumer_key())?;
        texts::name("sub", name, MOST_NAME).ok()?;
        let scopes = principal.scopes().filter(|scope| scope.starts_with(PREFIX));
        Some(Caller {
            name: name.to_owned(),
            address,
            groups: listed(claims.at(&self.settings.groups_claim)),
            roles: listed(claims.at(&self.settings.roles_claim)),
            scopes: CallerScopes::new(scopes.map(str::to_owned)),
        })
    }
}

/// Reads a claim with several texts: an array, or one text with commas.
fn listed(claim: Option<&JsonValue>) -> Vec<String> {
    let texts: Vec<&str> = match claim {
        Some(JsonValue::Array(elements)) => elements.iter().filter_map(JsonValue::as_str).collect(),
        Some(JsonValue::String(text)) => text.split(',').map(str::trim).collect(),
        _ => Vec::new(),
    };
    texts.into_iter().filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// Tells a client the remedy, and the log the reason.
fn refusal(error: &AuthenticateError) -> Refused {
    tracing::debug!(target: "portcullis::admin", %error, "refused a token");
    let unavailable = |description: &str| {
        let mut refused = Refused::plain(StatusCode::SERVICE_UNAVAILABLE, description);
        refused.retry_after = Some(1);
        refused
    };
    match error.reason() {
        Reason::KeysUnavailable | Reason::IntrospectionUnavailable => {
            unavailable("the token's server cannot be asked at the moment")
        }
        Reason::ForgedTokens | Reason::UnknownTokens => {
            let description = "too many invalid tokens from this address";
            let mut refused = Refused::plain(StatusCode::TOO_MANY_REQUESTS, description);
            refused.retry_after = Some(1);
            refused
        }
        _ => invalid_token(),
    }
}
