//! `portcullis jwk`: prints the public half of a private key, to register it for `private_key_jwt`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PublicKeyData};
use serde_json::json;

use crate::assertion::SigningKey;
use crate::cli::arguments::JwkOptions;
use crate::cli::exit;
use crate::cli::output::Output;
use crate::cli::runtime::install_crypto;
use crate::model::key_manager::PemFile;

/// The largest file: a private key in PEM has a few kilobytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// Prints the key set. Exits 0, or 2 if the file has no key that can sign.
pub(super) fn jwk(options: &JwkOptions, output: Output) -> u8 {
    install_crypto();
    let path = &options.file;
    let content = match read(path) {
        Ok(content) => content,
        Err(error) => {
            output.note(&format!("portcullis: {} cannot be read: {error}", path.display()));
            return exit::CONFIGURATION;
        }
    };
    let keycloak = keycloak_key_id(&content);
    let key = match SigningKey::read(&PemFile { path: path.clone(), content }) {
        Ok(key) => key,
        Err(error) => {
            output.note(&format!("portcullis: {error}"));
            return exit::CONFIGURATION;
        }
    };
    let set = json!({ "keys": [key.public()] });
    output.line(&serde_json::to_string_pretty(&set).unwrap_or_default());
    if let Some(key_id) = keycloak {
        output.note(&format!(
            "Register this key set; nothing else is needed. If Keycloak was given the certificate \
             or the public key instead, it calls the key {key_id:?}: write that as `key_id` of \
             `credentials`."
        ));
    }
    exit::OK
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// Returns the `kid` that Keycloak gives a key without one: the SHA-256 of its
/// `SubjectPublicKeyInfo`, in base64url.
fn keycloak_key_id(content: &[u8]) -> Option<String> {
    let pair = KeyPair::from_pem(std::str::from_utf8(content).ok()?).ok()?;
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, &pair.subject_public_key_info())))
}
