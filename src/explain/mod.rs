//! Explains to an operator every step of the decision on one request.
//!
//! The verdict comes from `proxy::decide`, the function that the gateway itself calls. A running
//! gateway judges by its own keys, introspection answers and revocations; `portcullis explain`
//! alone judges by the files. Nothing is used up: a DPoP proof that was explained is still accepted
//! afterwards.
//!
//! The files: [`request`] (the request, the token and its proof), [`steps`] (each step with its
//! findings and its place in the files), [`limits`] and [`explained_limit`] (policies),
//! [`explanation`] (the answer), [`identity`] (revocation, binding, introspection), [`near_misses`]
//! (likely mistakes) with [`hosts`], [`ports`], [`times`], [`scopes`] and [`inactive`],
//! [`remembered`] (a refusal of the past, by its id), [`grounds`] (the state that a question is
//! judged by), [`observed`] (refusals that `observe` lets through).

mod explained_limit;
mod explanation;
mod grounds;
mod hosts;
mod identity;
mod inactive;
mod limits;
mod near_misses;
mod observed;
mod ports;
mod remembered;
mod request;
mod scopes;
mod steps;
mod times;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use explanation::Explanation;
pub use grounds::{CountsKnown, Grounds};
pub use ports::Listening;
pub use remembered::recall;
pub use request::{ExplainRequest, InvalidQuestion, WrittenQuestion};

use crate::authenticate::AuthenticateError;
use crate::authenticate::cache::{Common, TokenCache};
use crate::budget::ClaimedClient;
use crate::explain::steps::Inquiry;
use crate::introspect::IntrospectionAnswer;
use crate::key_managers::CompiledKeyManager;
use crate::model::rate::Rate;
use crate::proxy::asking::introspection;
use crate::snapshot::{Snapshot, Unlisted};
use crate::telemetry::Metrics;

/// The longest wait for a key manager's first answer.
const KEYS_WAIT: Duration = Duration::from_secs(10);

/// Judges a question; asks the servers of opaque tokens as the gateway would.
pub async fn judge(grounds: &Grounds<'_>, question: &ExplainRequest) -> Explanation {
    let at = question.at.unwrap_or(grounds.now);
    let mut answered: Option<(Arc<CompiledKeyManager>, IntrospectionAnswer)> = None;
    let mut unknown: Option<AuthenticateError> = None;
    loop {
        let Inquiry { key_managers, purpose } = {
            let cache = cache(grounds);
            if let Some((key_manager, answer)) = &answered {
                let token = question.token().unwrap_or_default().as_bytes();
                cache.hand_over(key_manager, token, answer.clone());
            }
            match steps::explain(grounds, question, &cache, unknown.as_ref(), at) {
                Ok(mut explanation) => {
                    explanation.add_hints(ports::hints(grounds.listening, question));
                    explanation.add_hints(budget(grounds, question));
                    return explanation;
                }
                Err(inquiry) => inquiry,
            }
        };
        let token = question.token().unwrap_or_default().as_bytes();
        let patience = introspection::patience(&key_managers);
        match introspection::ask(&key_managers, token, purpose, grounds.now, patience).await {
            // the server was asked already, and its answer did not decide
            Ok(_) if answered.is_some() => unknown = Some(AuthenticateError::Inactive),
            Ok(found) => answered = Some(found),
            Err(error) => unknown = Some(error),
        }
    }
}

/// Returns a cache for this question alone.
fn cache(grounds: &Grounds<'_>) -> TokenCache {
    const ONE_TOKEN: u64 = 64 * 1024;
    let common =
        Common { proofs: Arc::new(grounds.common.proofs.looking_only()), ..grounds.common.clone() };
    let cache = TokenCache::new(ONE_TOKEN, Metrics::new(1, 0).worker(0), common);
    cache.set_moment(grounds.moment);
    cache
}

/// Describes the budget of the client, if the question names one.
fn budget(grounds: &Grounds<'_>, question: &ExplainRequest) -> Vec<String> {
    let limit = grounds.snapshot.settings.limits.max_forged_tokens;
    let (Some(client), Some(limit)) = (question.client, limit) else { return Vec::new() };
    let budgets = &grounds.common.budgets.invalid_tokens;
    let looked = budgets.look(ClaimedClient::of(client), Rate::a_minute(limit), grounds.moment);
    let found = match looked {
        Ok(()) => format!(
            "{client} may still send tokens with invalid signatures (limits.max_forged_tokens)"
        ),
        Err(exhausted) => format!(
            "{client} sent too many tokens with invalid signatures; for {} s the gateway answers \
             429 to its unknown tokens (limits.max_forged_tokens)",
            exhausted.retry_after
        ),
    };
    vec![found]
}

/// Waits for the keys that the token needs, as the first requests after a start do.
pub async fn prepare(snapshot: &Snapshot, question: &ExplainRequest) {
    if !question.has_token() {
        return;
    }
    for key_manager in
        snapshot.key_managers.iter().filter(|key_manager| key_manager.definition.enabled)
    {
        let _ = tokio::time::timeout(KEYS_WAIT, key_manager.keys.settled()).await;
    }
    if let Some(issuer) = question.issuer()
        && let Unlisted::Template(template) = snapshot.unlisted(&issuer)
        && let Some(organizations) = &template.organizations
    {
        // the decision reports the result
        let _ = organizations.open(&issuer, None).await;
    }
}
