//! Reads the source of a key manager's keys.

use std::path::PathBuf;

use crate::config::pem;
use crate::config::reader::{Placed, Table};
use crate::config::resolve::key_manager::settings::Settings;
use crate::config::source::Sources;
use crate::fetch::FetchUrl;
use crate::model::key_manager::KeySource;

pub(super) fn key_source(
    table: &Table<'_>,
    sources: &Sources,
    settings: &Settings,
) -> Option<KeySource> {
    let well_known_url = table.wanted("well_known_url");
    let well_known_url = match &well_known_url {
        Some(url) => Some(fetchable(table, url, settings)?),
        None => None,
    };
    match table.table("certificates") {
        Some(certificates) => written(table, &certificates, well_known_url, sources, settings),
        // a value of another type is reported already
        None if table.has("certificates") => None,
        None => discovery(table, well_known_url),
    }
}

/// Returns the source of a key manager that writes `well_known_url` alone.
fn discovery(table: &Table<'_>, well_known_url: Option<String>) -> Option<KeySource> {
    if well_known_url.is_none() {
        let hint = "write `certificates = { jwks = \"https://...\" }`, or `well_known_url`";
        table.problems().error(
            table.at(),
            "the key manager has no source of keys".to_owned(),
            Some(hint.to_owned()),
        );
    }
    well_known_url.map(|well_known_url| KeySource::Discovery { well_known_url })
}

/// Returns the source in `certificates`.
fn written(
    table: &Table<'_>,
    certificates: &Table<'_>,
    well_known_url: Option<String>,
    sources: &Sources,
    settings: &Settings,
) -> Option<KeySource> {
    let written = ["jwks", "pem", "pem_text", "jwks_file"].map(|key| certificates.wanted(key));
    match written {
        [Some(url), None, None, None] => {
            Some(KeySource::Jwks { url: fetchable(table, &url, settings)?, well_known_url })
        }
        [None, Some(named), None, None] => {
            let found = pem::verification_keys(&named, sources, table.problems())?;
            Some(KeySource::Pem { path: found.path, content: found.content })
        }
        [None, None, Some(text), None] => {
            let content = pem::inline_keys(&text, table.problems())?;
            Some(KeySource::Pem { path: PathBuf::from("pem_text"), content })
        }
        [None, None, None, Some(named)] => {
            let found = pem::file(&named, sources, table.problems())?;
            match crate::jwt::KeySet::from_jwks(&found.content) {
                Ok(_) => Some(KeySource::JwksFile { path: found.path, content: found.content }),
                Err(error) => {
                    table.problems().error(
                        named.at,
                        format!("{}: {error}", found.path.display()),
                        None,
                    );
                    None
                }
            }
        }
        _ => {
            table.problems().error(
                certificates.at(),
                "`certificates` needs exactly one of `jwks`, `pem`, `pem_text` and \
                 `jwks_file`"
                    .to_owned(),
                None,
            );
            None
        }
    }
}

/// Returns an address to fetch keys from: https, or loopback, or plain http if `allow_http` is set.
fn fetchable(table: &Table<'_>, url: &Placed<&str>, settings: &Settings) -> Option<String> {
    let (message, hint) = match FetchUrl::read(url.value) {
        Ok(read) if read.is_https() || settings.allow_http || read.is_loopback() => {
            return Some(url.value.to_owned());
        }
        Ok(_) => (
            "keys are not fetched over plain http, except from loopback".to_owned(),
            Some("write https, or `allow_http = true` if you trust the whole way to the server"),
        ),
        Err(_) => (format!("{:?} is not an http or https address", url.value), None),
    };
    table.problems().error(url.at.clone(), message, hint.map(str::to_owned));
    None
}
