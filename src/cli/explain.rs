//! `portcullis explain`: every step of the decision on one request.
//!
//! The verdict is `proxy::decision::decide`'s, the function that the gateway itself calls; the steps are told around it.
//! The walk through the files: [`question`] (the request line and the token), [`steps`] (what each step found, and
//! where that is written), [`identity`] (revocation, binding, introspection), [`near_misses`] (what the operator probably meant).

mod identity;
mod near_misses;
mod question;
mod steps;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::authenticate::cache::{Common, TokenCache};
use crate::cli::arguments::ExplainOptions;
use crate::cli::exit;
use crate::cli::explain::question::Question;
use crate::cli::explain::steps::{Explanation, Inquiry};
use crate::cli::output::Output;
use crate::cli::run::{control_runtime, install_crypto};
use crate::config;
use crate::jwks::Fetchers;
use crate::model::Model;
use crate::model::clock::{Clock, UnixSeconds};
use crate::proxy::inquiry;
use crate::revocation::Revocations;
use crate::revocation::journal::Journal;
use crate::snapshot::compile::Compiler;
use crate::snapshot::{Snapshot, Unlisted};
use crate::supervise::clock::SystemClock;
use crate::telemetry::Metrics;

/// How long a key manager's first answer is waited for.
const KEYS_WAIT: Duration = Duration::from_secs(10);

/// Explains one request. Exits 0 when it is allowed, 1 when it is refused, 2 when there is nothing to judge by.
pub fn explain(config: &Path, options: &ExplainOptions, output: Output) -> u8 {
    install_crypto();
    let question = match Question::read(options) {
        Ok(question) => question,
        Err(error) => {
            output.note(&format!("portcullis: {error}"));
            return exit::CONFIGURATION;
        }
    };
    let model = match config::load(config) {
        Ok(loaded) => loaded.model,
        Err(report) => {
            output.note(&report.render(output.color));
            return exit::CONFIGURATION;
        }
    };
    let Ok(runtime) = control_runtime() else { return exit::FAILED };
    let clock = SystemClock;
    let now = options.at.map_or_else(|| clock.now(), UnixSeconds);
    let explanation = runtime.block_on(async {
        let state_dir = model.gateway.state_dir.clone();
        let mut fetchers = Fetchers::new(&state_dir, Arc::new(clock));
        let revocations =
            Journal::look(&state_dir, now).map(|records| Arc::new(Revocations::seen(&records)));
        let explanation = match (snapshot(model, &mut fetchers, &question).await, revocations) {
            (Ok(snapshot), Ok(revocations)) => {
                Ok(judge(&snapshot, &question, revocations, now).await)
            }
            (Err(error), _) => Err(error.to_string()),
            (_, Err(error)) => {
                Err(format!("the revocations in {} cannot be read: {error}", state_dir.display()))
            }
        };
        fetchers.shutdown().await;
        explanation
    });
    match explanation {
        Ok(explanation) => {
            output.line(&if options.json { explanation.json() } else { explanation.text() });
            if explanation.is_allowed() { exit::OK } else { exit::FAILED }
        }
        Err(error) => {
            output.note(&format!("portcullis: {error}"));
            exit::CONFIGURATION
        }
    }
}

/// Judges a question on a snapshot, and asks the servers of opaque tokens as the gateway would.
async fn judge(
    snapshot: &Snapshot,
    question: &Question,
    revocations: Arc<Revocations>,
    now: UnixSeconds,
) -> Explanation {
    const ONE_TOKEN: u64 = 64 * 1024;
    let cache = TokenCache::new(
        ONE_TOKEN,
        Metrics::new(1, 0).worker(0),
        Common { revocations, ..Common::alone() },
    );
    let mut unknown = None;
    loop {
        match steps::explain(snapshot, question, &cache, unknown.as_ref(), now) {
            Ok(explanation) => return explanation,
            Err(Inquiry { key_managers, purpose }) => {
                let token = question.token().unwrap_or_default().as_bytes();
                match inquiry::ask(
                    &key_managers,
                    token,
                    purpose,
                    now,
                    inquiry::patience(&key_managers),
                )
                .await
                {
                    Ok((key_manager, answer)) => cache.hand_over(&key_manager, token, answer),
                    Err(error) => unknown = Some(error),
                }
            }
        }
    }
}

/// The gateway's own tables, with the keys that the token needs.
async fn snapshot(
    model: Model,
    fetchers: &mut Fetchers,
    question: &Question,
) -> Result<Snapshot, crate::snapshot::compile::CompileError> {
    let keys = fetchers.reconcile(&model.key_managers);
    let mut compiler = Compiler::new(Metrics::new(1, 0), 1).starting(fetchers.on_demand());
    let snapshot = compiler.compile(model, keys)?;
    if question.has_token() {
        for key_manager in
            snapshot.key_managers.iter().filter(|key_manager| key_manager.definition.enabled)
        {
            let _ = tokio::time::timeout(KEYS_WAIT, key_manager.keys.settled()).await;
        }
        if let Some(issuer) = question.issuer()
            && let Unlisted::Template(template) = snapshot.unlisted(&issuer)
            && let Some(organizations) = &template.organizations
        {
            // what came of it is told by the decision
            let _ = organizations.open(&issuer, None).await;
        }
    }
    Ok(snapshot)
}
