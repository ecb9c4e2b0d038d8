//! Reads secrets: a string, or a reference: `{ env = "NAME" }`, `{ file = "path" }`.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::config::plain_file;
use crate::config::reader::{Placed, Table};
use crate::config::source::Sources;
use crate::model::secret::{Secret, SecretKey};

/// A larger file does not hold a secret.
const MOST_BYTES: u64 = 64 * 1024;

/// Reads a key of 32 bytes in Base64, in either alphabet.
pub(super) fn secret_key(table: &Table<'_>, key: &str, sources: &Sources) -> Option<SecretKey> {
    if !table.has(key) {
        return None;
    }
    decoded(&secret(table, key, sources)?, table, key)
}

/// Reads a list of such keys.
pub(super) fn secret_keys(table: &Table<'_>, key: &str, sources: &Sources) -> Vec<SecretKey> {
    let written = table.texts_or_tables(key);
    let secrets = written.into_iter().filter_map(|own| one(own, table, key, sources));
    secrets.filter_map(|own| decoded(&own, table, key)).collect()
}

fn decoded(text: &Secret, table: &Table<'_>, key: &str) -> Option<SecretKey> {
    let text = text.reveal().trim().trim_end_matches('=').replace('-', "+").replace('_', "/");
    let bytes = STANDARD_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    if bytes.is_none() {
        table.error(
            key,
            format!("`{}` is not 32 bytes in Base64", table.path(key)),
            Some("`openssl rand -base64 32` makes one".to_owned()),
        );
    }
    bytes.map(SecretKey::new)
}

/// Reads a secret. No error shows its content.
pub(super) fn secret(table: &Table<'_>, key: &str, sources: &Sources) -> Option<Secret> {
    one(table.text_or_table(key)?, table, key, sources)
}

fn one(
    written: Result<Placed<&str>, Table<'_>>,
    table: &Table<'_>,
    key: &str,
    sources: &Sources,
) -> Option<Secret> {
    let place = match written {
        Ok(text) => return Some(Secret::new(text.value.to_owned())),
        Err(place) => place,
    };
    let found = match (place.wanted("env"), place.wanted("file")) {
        (Some(name), None) => {
            let hint = "set it in the environment of the gateway".to_owned();
            std::env::var(name.value).map_err(|_| {
                (name.at, format!("the environment variable {} is not set", name.value), hint)
            })
        }
        (None, Some(file)) => {
            let path = sources.resolve(file.value);
            table.problems().watch(path.clone());
            let hint = "the file must hold the secret and nothing else".to_owned();
            read(&path).map_err(|error| {
                (file.at, format!("{} cannot be read: {error}", path.display()), hint)
            })
        }
        _ => {
            let message = format!("`{}` needs exactly one of `env` and `file`", table.path(key));
            let hint = "write { env = \"NAME\" } or { file = \"path\" }".to_owned();
            Err((place.at(), message, hint))
        }
    };
    match found {
        Ok(text) => Some(Secret::new(text.trim_end_matches(['\n', '\r']).to_owned())),
        Err((at, message, hint)) => {
            table.problems().error(at, message, Some(hint));
            None
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    String::from_utf8(plain_file::read(path, MOST_BYTES)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}
