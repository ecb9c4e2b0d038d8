//! Asks all servers that may know a token about it, at once. The first that calls it active wins.
//! Each question belongs to its key manager's introspector, and goes on when the request that began
//! it leaves.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::authenticate::{self, AuthenticateError};
use crate::introspect::{IntrospectionAnswer, IntrospectionOutcome, IntrospectionPurpose};
use crate::key_managers::CompiledKeyManager;
use crate::model::clock::UnixSeconds;

/// The most servers that are asked about one token at a time; the others follow as these answer.
const MOST_AT_A_TIME: usize = 64;

/// The questions end by themselves after `request_timeout`; only those that had to follow others
/// are cut by this.
const GRACE: Duration = Duration::from_millis(200);

/// Returns the time for a question and the steps before it: the longest `request_timeout`.
pub fn patience(key_managers: &[Arc<CompiledKeyManager>]) -> Duration {
    let limits = key_managers.iter().map(|asked| asked.definition.fetch.request_timeout);
    limits.max().unwrap_or_default()
}

/// Returns the first answer that lets the token through, with its key manager. If no server knows
/// the token, it is inactive, unless a server could not be asked.
pub async fn ask(
    key_managers: &[Arc<CompiledKeyManager>],
    token: &[u8],
    purpose: IntrospectionPurpose,
    now: UnixSeconds,
    patience: Duration,
) -> Result<(Arc<CompiledKeyManager>, IntrospectionAnswer), AuthenticateError> {
    let deadline = Instant::now() + patience + GRACE;
    let mut rest = key_managers.iter();
    let mut asking = JoinSet::new();
    for key_manager in rest.by_ref().take(MOST_AT_A_TIME) {
        begin(&mut asking, key_manager, token, purpose, now);
    }
    let (mut failed, mut refused) = (None, AuthenticateError::Inactive);
    // as long as every server is spared: when the first of them is tried again
    let (mut spared, mut asked) = (None::<Duration>, false);
    loop {
        let (key_manager, outcome) = match timeout_at(deadline, asking.join_next()).await {
            Ok(None) => break,
            Ok(Some(Ok(answered))) => answered,
            Ok(Some(Err(_))) => continue,
            Err(_) => {
                asked = true;
                let unanswered = rest.next().or(key_managers.last());
                failed = failed.or(unanswered.map(|key_manager| {
                    (Arc::clone(key_manager), "there was no time left to ask it".into())
                }));
                break;
            }
        };
        match outcome {
            IntrospectionOutcome::Answered(answer) => {
                asked = true;
                match authenticate::check_answer(&key_manager, &answer, purpose, now) {
                    Ok(()) => return Ok((key_manager, answer)),
                    Err(error) => refused = refused.or_better(error),
                }
            }
            IntrospectionOutcome::Unavailable(why) => {
                asked = true;
                failed = failed.or(Some((key_manager, why)));
            }
            IntrospectionOutcome::Spared(why, rest) => {
                spared = Some(spared.map_or(rest, |spared| spared.min(rest)));
                failed = failed.or(Some((key_manager, why)));
            }
        }
        if let Some(next) = rest.next() {
            begin(&mut asking, next, token, purpose, now);
        }
    }
    Err(match (refused, failed) {
        (AuthenticateError::Inactive, Some((key_manager, why))) => {
            let retry_after = spared.filter(|_| !asked).map(whole_seconds);
            AuthenticateError::Unanswered { key_manager, why, retry_after }
        }
        (refused, _) => refused,
    })
}

fn whole_seconds(rest: Duration) -> u32 {
    u32::try_from(rest.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

type Asking = JoinSet<(Arc<CompiledKeyManager>, IntrospectionOutcome)>;

fn begin(
    asking: &mut Asking,
    key_manager: &Arc<CompiledKeyManager>,
    token: &[u8],
    purpose: IntrospectionPurpose,
    now: UnixSeconds,
) {
    let key_manager = Arc::clone(key_manager);
    let pending = key_manager.introspector.as_ref().map(|asked| asked.begin(token, purpose, now));
    asking.spawn(async move {
        let outcome = match pending {
            Some(pending) => pending.outcome().await,
            None => IntrospectionOutcome::Unavailable("it has no introspection endpoint".into()),
        };
        (key_manager, outcome)
    });
}
