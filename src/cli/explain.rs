//! `portcullis explain`: asks the running gateway how it decides on a request, or why it refused
//! one. If no gateway runs, the command judges by the files. Both use [`crate::explain`].

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::authenticate::cache::Common;
use crate::cli::arguments::ExplainOptions;
use crate::cli::control::{self, ControlError};
use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::runtime::{control_runtime, install_crypto};
use crate::cli::token_file;
use crate::config;
use crate::explain::{
    self, CountsKnown, ExplainRequest, Explanation, Grounds, Listening, WrittenQuestion,
};
use crate::jwks::KeySets;
use crate::key_managers::OnDemand;
use crate::model::Model;
use crate::model::clock::Clock;
use crate::revocation::Revocations;
use crate::revocation::journal::Journal;
use crate::snapshot::compile::Compiler;
use crate::supervise::clock::SystemClock;
use crate::telemetry::Metrics;

/// Explains one request. Exits 0 if it is allowed, 1 if it is refused, 2 if it cannot be judged.
pub(super) fn explain(config: &Path, options: &ExplainOptions, output: Output) -> u8 {
    install_crypto();
    let model = match config::load(config) {
        Ok(loaded) => loaded.model,
        Err(report) => {
            output.note(&report.render(output.style));
            return exit::CONFIGURATION;
        }
    };
    let Ok(runtime) = control_runtime() else { return exit::FAILED };
    let told =
        written(options).and_then(|written| runtime.block_on(answer(model, options, written)));
    match told {
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

/// Returns the question as it is sent.
fn written(options: &ExplainOptions) -> Result<WrittenQuestion, String> {
    if options.denial.is_some() {
        return Ok(WrittenQuestion {
            denial: options.denial.clone(),
            ..WrittenQuestion::default()
        });
    }
    let token = match (&options.token, &options.token_file) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(path)) => Some(
            token_file::read(path).map_err(|error| format!("the token cannot be read: {error}"))?,
        ),
        (None, None) => None,
    };
    let certificate = options.client_certificate.as_deref().map(|path| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    });
    let written = WrittenQuestion {
        request: options.request.clone(),
        token: token.as_deref().map(|text| token_file::bare(text).to_owned()),
        dpop: options.dpop.clone(),
        client_certificate: certificate.transpose()?,
        headers: options.headers.clone(),
        client: options.client,
        at: options.at,
        denial: None,
    };
    ExplainRequest::read(&written).map_err(|error| error.to_string())?;
    Ok(written)
}

/// Asks the running gateway, or else judges by the files.
async fn answer(
    model: Model,
    options: &ExplainOptions,
    written: WrittenQuestion,
) -> Result<Explanation, String> {
    let state_dir = model.gateway.state_dir.clone();
    let why = if options.files {
        "because of --files".to_owned()
    } else {
        let body = serde_json::to_vec(&written).map_err(|error| error.to_string())?;
        let call = (Method::POST, "/explain");
        match control::ask(&state_dir, call, Bytes::from(body), control::QUESTION).await {
            Ok((StatusCode::OK, body)) => {
                return serde_json::from_str(&body)
                    .map_err(|error| format!("cannot read the gateway's answer: {error}"));
            }
            Ok((_, body)) => return Err(control::words(&body)),
            Err(error) if written.denial.is_some() => return Err(error.to_string()),
            Err(ControlError::Nobody(state_dir)) => {
                format!("no gateway runs on {}", state_dir.display())
            }
            Err(error) => error.to_string(),
        }
    };
    let question = ExplainRequest::read(&written).map_err(|error| error.to_string())?;
    Ok(by_files(model, &question).await?.by(format!("the files ({why})")))
}

/// Judges as a gateway would that starts now.
async fn by_files(model: Model, question: &ExplainRequest) -> Result<Explanation, String> {
    let (clock, state_dir) = (SystemClock, model.gateway.state_dir.clone());
    let (now, listening) = (clock.now(), listening(&model));
    let records = Journal::look(&state_dir, question.at().unwrap_or(now)).map_err(|error| {
        format!("cannot read the revocations in {}: {error}", state_dir.display())
    })?;
    let revocations = Arc::new(Revocations::seen(&records));
    let mut fetchers = KeySets::new(&state_dir, Arc::new(clock));
    let keys = fetchers.reconcile(&model.key_managers);
    let on_demand = OnDemand::new(&state_dir, Arc::new(clock));
    let mut compiler = Compiler::new(Metrics::new(1, 0), 1).starting(on_demand);
    let judged = match compiler.compile(model, keys) {
        Ok(snapshot) => {
            explain::prepare(&snapshot, question).await;
            let common = Common { revocations, ..Common::alone() };
            let (moment, snapshot) = (clock.moment(), &snapshot);
            let counts = CountsKnown::Unknown;
            let grounds = Grounds { snapshot, common, listening: &listening, now, moment, counts };
            Ok(explain::judge(&grounds, question).await)
        }
        Err(error) => Err(error.to_string()),
    };
    fetchers.shutdown().await;
    judged
}

/// Returns the listeners of the files. A port that the system chooses is not known.
fn listening(model: &Model) -> Vec<Listening> {
    let written = model.listeners.iter().filter(|listener| listener.address.port() != 0);
    written
        .map(|listener| Listening {
            name: listener.name.clone(),
            address: listener.address,
            tls: listener.tls.is_some(),
        })
        .collect()
}
