//! `portcullis import`: turns a server's discovery document into a `[[key_managers]]` table, and
//! examines a sample token.
//!
//! It calls only the addresses that the operator wrote or that the document names, by the rules of
//! every key-set fetch; never one that a token names. Standard output is TOML and nothing else, and
//! the token is never shown.
//!
//! The files: [`metadata`] (the document), [`product`] (its product), [`remarks`] (checks of the
//! document), [`sample`] (the form of a token), [`evidence`] (claims for client and scopes),
//! [`issuer`] and [`diagnosis`] (what is wrong with a token) with the messages in [`trouble`],
//! [`asking`] (introspection), [`block`] (the table) with [`text`] (quoting), [`completion`] (the
//! rest of a file that runs).

mod address;
mod asking;
mod block;
mod completion;
mod diagnosis;
mod error;
mod evidence;
mod issuer;
mod metadata;
mod product;
mod remarks;
mod sample;
mod text;
mod trouble;

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::cli::arguments::ImportOptions;
use crate::cli::import::asking::IntrospectionTrial;
use crate::cli::import::block::Findings;
use crate::cli::import::completion::Wanted;
use crate::cli::import::diagnosis::{Context, IntrospectionAdvice};
use crate::cli::import::error::ImportError;
use crate::cli::import::metadata::Metadata;
use crate::cli::import::sample::TokenSample;
use crate::cli::output::Output;
use crate::cli::runtime::{control_runtime, install_crypto};
use crate::cli::{exit, token_file};
use crate::fetch::{FetchUrl, get};
use crate::jwt::{KeySet, ParsedKeySet};
use crate::model::clock::{Clock, UnixSeconds};
use crate::model::key_manager::{Fetch, PemFile};
use crate::model::names::KeyManagerName;
use crate::supervise::clock::SystemClock;

/// Prints the table. Exits 0; 1 if a server fails; 2 if an argument is wrong. Findings on a sample
/// token stand in the comments.
pub(super) fn import(options: &ImportOptions, output: Output) -> u8 {
    install_crypto();
    match run(options, SystemClock.now()) {
        Ok(table) => {
            output.line(table.trim_end());
            exit::OK
        }
        Err(error) => {
            output.note(&format!("portcullis: {error}"));
            error.exit_code()
        }
    }
}

fn run(options: &ImportOptions, now: UnixSeconds) -> Result<String, ImportError> {
    let settings = Fetch {
        allow_http: options.allow_http,
        ca: options.ca.as_deref().map(authorities).transpose()?,
        ..Fetch::default()
    };
    let name = options.name.as_deref().map(KeyManagerName::try_from).transpose()?;
    let sample = options.token.as_deref().map(read_sample).transpose()?;
    let wanted = Wanted::read(
        options.api.as_deref(),
        &options.backend,
        options.app.as_deref(),
        options.consumer_key.as_deref(),
    )?;
    let runtime = control_runtime().map_err(ImportError::Runtime)?;
    let answers = runtime.block_on(ask(&settings, &options.well_known_url))?;
    let guess = product::guess(&answers.metadata);
    let asked = if options.introspect {
        let asking =
            asking::ask(options, &settings, &answers.metadata, guess.kind, sample.as_ref(), now);
        Some(runtime.block_on(asking)?)
    } else {
        None
    };
    let ca = options.ca.as_ref().map(|path| path.display().to_string());
    write(
        &Request {
            well_known_url: &options.well_known_url,
            name: name.as_ref().map(KeyManagerName::as_str),
            ca: ca.as_deref(),
            asked: asked.as_ref(),
            wanted: &wanted,
        },
        &answers,
        sample.as_ref(),
        now,
    )
}

/// The operator's part of the table.
#[derive(Debug, Clone, Copy)]
struct Request<'r> {
    well_known_url: &'r str,
    name: Option<&'r str>,
    ca: Option<&'r str>,
    asked: Option<&'r IntrospectionTrial>,
    wanted: &'r Wanted,
}

/// Makes the table from the answers of the server and the operator.
fn write(
    request: &Request<'_>,
    answers: &Answers,
    sample: Option<&TokenSample>,
    now: UnixSeconds,
) -> Result<String, ImportError> {
    let Answers { metadata, keys } = answers;
    let guess = product::guess(metadata);
    let asking = match (request.asked, metadata.endpoint("introspection_endpoint")) {
        (Some(_), _) => IntrospectionAdvice::Asked,
        (None, Some(_)) => IntrospectionAdvice::Possible,
        (None, None) => IntrospectionAdvice::Impossible,
    };
    let issuer = &metadata.issuer;
    let context = Context { issuer, kind: guess.kind, keys: &keys.keys, now, asking };
    let diagnosis = sample.map(|sample| diagnosis::diagnose(sample, context));
    let by_token = diagnosis.as_ref().and_then(|diagnosis| diagnosis.client.as_ref());
    let client =
        request.asked.and_then(IntrospectionTrial::client).or(by_token.map(|client| client.value));
    request.wanted.check(client)?;
    Ok(block::render(Findings {
        well_known_url: request.well_known_url,
        name: request.name,
        ca: request.ca,
        metadata,
        guess: &guess,
        keys,
        diagnosis: diagnosis.as_ref(),
        asked: request.asked,
        wanted: request.wanted,
        client,
    }))
}

async fn ask(settings: &Fetch, well_known_url: &str) -> Result<Answers, ImportError> {
    FetchUrl::permitted(settings, well_known_url).map_err(|_| ImportError::Address)?;
    let url = || well_known_url.to_owned();
    let document = get(settings, well_known_url).await;
    let document = document.map_err(|failure| ImportError::Document { url: url(), failure })?;
    let metadata = Metadata::read(&document.content)
        .map_err(|failure| ImportError::Metadata { url: url(), failure })?;
    let url = || text::shown(&metadata.jwks_uri);
    let keys = get(settings, &metadata.jwks_uri)
        .await
        .map_err(|failure| ImportError::Keys { url: url(), failure })?;
    let keys = KeySet::from_jwks(&keys.content)
        .map_err(|failure| ImportError::KeySet { url: url(), failure })?;
    Ok(Answers { metadata, keys })
}

/// The documents of the server.
#[derive(Debug)]
struct Answers {
    metadata: Metadata,
    keys: ParsedKeySet,
}

fn read_sample(path: &Path) -> Result<TokenSample, ImportError> {
    let text = token_file::read(path).map_err(ImportError::Token)?;
    if token_file::bare(&text).is_empty() {
        Err(ImportError::NoToken)
    } else {
        Ok(TokenSample::read(&text))
    }
}

fn authorities(path: &Path) -> Result<PemFile, ImportError> {
    let content = std::fs::read(path)
        .map_err(|source| ImportError::Authorities { file: path.display().to_string(), source })?;
    Ok(PemFile { path: path.to_owned(), content })
}
